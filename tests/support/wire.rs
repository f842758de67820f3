//! The milter protocol over a unix socket, packet by packet and without a runtime: for tests of the process.

use std::{
    io::{Read, Write},
    os::unix::net::UnixStream,
    path::Path,
};

/// A connection.
pub struct Wire(UnixStream);

impl Wire {
    /// Connects; the server may not have accepted yet.
    pub fn open(path: &Path) -> Self {
        Self(UnixStream::connect(path).unwrap())
    }

    /// Negotiates, and tells of a client, its HELO and the sender: none of these is answered.
    pub fn hello(&mut self) {
        let offer = [6_u32.to_be_bytes(), 0x1ff_u32.to_be_bytes(), 0x1f_ffff_u32.to_be_bytes()].concat();
        self.send(b'O', &offer);
        assert_eq!(self.receive().0, b'O');
        let names = b"C{client_name}\0client.example\0{client_ptr}\0client.example\0{client_resolve}\0OK\0";
        self.send(b'D', names);
        self.send(b'C', b"client.example\x004\x9c\x40192.0.2.1\0");
        self.send(b'H', b"helo.example\0");
        self.send(b'M', b"<from@sender.example>\0");
    }

    /// The answer to a recipient.
    pub fn rcpt(&mut self) -> String {
        self.send(b'R', b"<to@rcpt.example>\0");
        match self.receive() {
            (b'y', text) => String::from_utf8(text).unwrap().trim_end_matches('\0').to_owned(),
            (kind, _) => char::from(kind).to_string(),
        }
    }

    fn send(&mut self, kind: u8, data: &[u8]) {
        let length = u32::try_from(data.len() + 1).unwrap();
        self.0.write_all(&[&length.to_be_bytes()[..], &[kind], data].concat()).unwrap();
    }

    fn receive(&mut self) -> (u8, Vec<u8>) {
        let mut length = [0; 4];
        self.0.read_exact(&mut length).unwrap();
        let mut packet = vec![0; usize::try_from(u32::from_be_bytes(length)).unwrap()];
        self.0.read_exact(&mut packet).unwrap();
        (packet[0], packet.split_off(1))
    }
}

/// The answer to the recipient of a whole new session.
pub fn refused_at_rcpt(path: &Path) -> String {
    refused_in(UnixStream::connect(path).unwrap())
}

/// The same over a connection that stands already.
pub fn refused_in(connection: UnixStream) -> String {
    let mut wire = Wire(connection);
    wire.hello();
    wire.rcpt()
}
