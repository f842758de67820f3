//! The server's side of Dovecot's authentication protocol, as far as Postfix needs it: everybody who says AUTH is `joe`.
//! Without such a server smtpd takes no LOGIN from XCLIENT.

use std::{
    io::{self, BufRead, BufReader, Write},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
};

/// Starts the server on a free port of 127.0.0.1; its thread ends with the test process.
pub fn start() -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            std::thread::spawn(move || serve(&stream));
        }
    });
    address
}

/// The lines for main.cf that make smtpd use it.
pub fn main_cf(address: SocketAddr) -> Vec<String> {
    let path = format!("smtpd_sasl_path = inet:{address}");
    vec!["smtpd_sasl_auth_enable = yes".to_owned(), "smtpd_sasl_type = dovecot".to_owned(), path]
}

fn serve(stream: &TcpStream) -> io::Result<()> {
    let mut writer = stream;
    writer.write_all(b"VERSION\t1\t1\nMECH\tPLAIN\tplaintext\nSPID\t1\nCUID\t1\nCOOKIE\t0\nDONE\n")?;
    for line in BufReader::new(stream).lines() {
        let line = line?;
        let fields: Vec<&str> = line.split('\t').collect();
        if let ["AUTH", id, ..] = fields[..] {
            writer.write_all(format!("OK\t{id}\tuser=joe\n").as_bytes())?;
        }
    }
    Ok(())
}
