//! The manual texts of check_*_{a,mx,ns}_access, put together from their parts.

/// The manual of a restriction by its name, what it is about and which servers it looks at.
macro_rules! text {
    ($name:literal, $subject:ident, $servers:ident) => {
        concat!(
            "Looks up the ",
            manual::servers!($servers),
            " of the ",
            manual::subject!($subject),
            " in an access table.\n\n",
            manual::keys!($servers),
            "\nIt says nothing ",
            manual::missing!($subject),
            ".\nThe actions are those of check_client_access; replies begin with\n    554 5.7.1 ",
            manual::reply!($subject),
            " rejected:\n",
            manual::rest!(),
            "\nExample: ",
            $name,
            manual::example!($subject),
        )
    };
}

macro_rules! servers {
    (A) => {
        "addresses"
    };
    (Mx) => {
        "mail exchangers"
    };
    (Ns) => {
        "name servers"
    };
}

macro_rules! subject {
    (Client) => {
        "client's verified name"
    };
    (ReverseClient) => {
        "client's PTR name"
    };
    (Helo) => {
        "HELO name"
    };
    (Sender) => {
        "sender's domain"
    };
    (Recipient) => {
        "recipient's domain"
    };
}

macro_rules! missing {
    (Client) => {
        "about a client without a verified name"
    };
    (ReverseClient) => {
        "about a client without a PTR name"
    };
    (Helo) => {
        "without HELO"
    };
    (Sender) => {
        "about the null sender"
    };
    (Recipient) => {
        "without a recipient"
    };
}

macro_rules! reply {
    (Client) => {
        "<name[address]>: Client host"
    };
    (ReverseClient) => {
        "<name>: Unverified Client host"
    };
    (Helo) => {
        "<name>: Helo command"
    };
    (Sender) => {
        "<address>: Sender address"
    };
    (Recipient) => {
        "<address>: Recipient address"
    };
}

macro_rules! example {
    (ReverseClient) => {
        "\ncidr:/etc/mailward/servers\n"
    };
    ($other:ident) => {
        " cidr:/etc/mailward/servers\n"
    };
}

macro_rules! keys {
    (A) => {
        "\
The keys are the host's addresses, and for each the networks that its text
begins with: 192.0.2.1, 192.0.2, 192.0, 192. Its name is no key. The first
entry that is found counts, DUNNO too. An address literal such as [192.0.2.1]
stands for itself.
"
    };
    (Mx) => {
        "\
For each mail exchanger, in the order of the DNS reply, the keys are its name
with the parents of it, then each of its addresses with the networks that the
text begins with, as in check_client_access. The first entry that is found
counts, DUNNO too. A name without MX records is its own mail exchanger; one
that takes no mail (null MX, RFC 7505) has none. An address literal such as
[192.0.2.1] stands for itself.
"
    };
    (Ns) => {
        "\
For each name server, in the order of the DNS reply, the keys are its name
with the parents of it, then each of its addresses with the networks that the
text begins with, as in check_client_access. The first entry that is found
counts, DUNNO too. A name without NS records of its own has those of its
parent, up to the top level domain. An address literal has none.
"
    };
}

macro_rules! rest {
    () => {
        "
These servers are chosen by strangers. So the table may refuse, but not
permit: an OK is warned of when the configuration is loaded, and answers 451
4.3.5 Server configuration error when it is found. Write DUNNO for an
exception.

When DNS does not answer: DUNNO, and a line in the log. A server without an
address is passed over. At most 100 servers and 100 addresses of theirs are
looked at, as in Postfix 3.9 and newer.

Postfix: finds addresses with getaddrinfo(3), so also in /etc/hosts, with
search domains, and in an order that depends on the machine's routes; here: in
DNS only, IPv4 first, because the outcome is then the same on every machine.
Postfix: asks for one server after the other; here: for the addresses of eight
and the NS records of four parents at once, because a mail then waits less.
The outcome is the same. lookahead = false asks as Postfix.
Postfix: a restriction list on the right-hand side is possible as long as it
does not permit; here: an error at load, because what a list says is known
only at the mail.
Other differences: see check_client_access.
"
    };
}

pub(super) use {example, keys, missing, reply, rest, servers, subject, text};
