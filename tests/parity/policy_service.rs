//! A policy server for check_policy_service: its answer follows from the sender and the recipient alone.

use std::{
    collections::HashMap,
    io::{self, BufRead, BufReader, Write},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
};

/// The words of its refusals.
pub const REFUSAL: &str = "the service says no";

const ANSWERS: [&str; 6] = [
    "DUNNO",
    "DUNNO",
    "REJECT the service says no",
    "DEFER_IF_PERMIT the service is busy",
    "OK",
    "450 4.7.1 the service says no",
];

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

fn serve(stream: &TcpStream) -> io::Result<()> {
    let mut writer = stream;
    let mut attributes: HashMap<String, String> = HashMap::new();
    for line in BufReader::new(stream).lines() {
        let line = line?;
        match line.split_once('=') {
            Some((name, value)) => {
                attributes.insert(name.to_owned(), value.to_owned());
            }
            None => {
                let asked = ["sender", "recipient", "client_address", "helo_name"];
                let asked =
                    asked.iter().filter_map(|name| attributes.get(*name)).flat_map(|value| value.bytes());
                let sum: usize = asked.map(usize::from).sum();
                writer.write_all(format!("action={}\n\n", ANSWERS[sum % ANSWERS.len()]).as_bytes())?;
                attributes.clear();
            }
        }
    }
    Ok(())
}
