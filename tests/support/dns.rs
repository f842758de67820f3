//! A DNS server for tests, on loopback, that answers from a zone text like a recursive resolver. The text's form
//! stands in [`zone`].

#[path = "dns/reply.rs"]
mod reply;
#[path = "dns/zone.rs"]
mod zone;

use hickory_proto::op::Message;
use reply::Plan;
use std::{
    collections::HashMap,
    io,
    net::{Ipv4Addr, SocketAddr, TcpListener as StdTcpListener, UdpSocket as StdUdpSocket},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream, UdpSocket},
    sync::{Barrier, oneshot},
};
use zone::Zone;

/// The largest UDP reply for a query without EDNS (RFC 1035 section 4.2.1).
const PLAIN_UDP_LIMIT: usize = 512;

/// A running server; it ends when dropped.
#[derive(Debug)]
pub struct DnsServer {
    address: SocketAddr,
    shared: Arc<Shared>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Shared {
    zone: Mutex<Zone>,
    counts: Mutex<HashMap<(String, String), usize>>,
    barriers: Mutex<HashMap<usize, Arc<Barrier>>>,
    total: AtomicUsize,
    tcp: AtomicUsize,
    concurrent: AtomicUsize,
    max_concurrent: AtomicUsize,
}

impl DnsServer {
    /// Starts a server for a zone text on a free port of 127.0.0.1, UDP and TCP.
    pub fn start(zone: &str) -> Self {
        for _ in 0..100 {
            if let Ok(server) = Self::start_at(zone, SocketAddr::from((Ipv4Addr::LOCALHOST, 0))) {
                return server;
            }
        }
        panic!("no port is free for both UDP and TCP");
    }

    /// Starts a server at a given address, such as that of one that was dropped.
    pub fn start_at(zone: &str, address: SocketAddr) -> io::Result<Self> {
        let udp = StdUdpSocket::bind(address)?;
        let address = udp.local_addr()?;
        let tcp = StdTcpListener::bind(address)?;
        udp.set_nonblocking(true)?;
        tcp.set_nonblocking(true)?;
        let shared = Arc::new(Shared { zone: Mutex::new(Zone::parse(zone)), ..Shared::default() });
        let (stop, stopped) = oneshot::channel();
        let thread = std::thread::spawn({
            let shared = Arc::clone(&shared);
            move || {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
                runtime.block_on(async {
                    let udp = serve_udp(UdpSocket::from_std(udp).unwrap(), Arc::clone(&shared));
                    let tcp = serve_tcp(TcpListener::from_std(tcp).unwrap(), shared);
                    tokio::select! {
                        () = udp => {}
                        () = tcp => {}
                        _ = stopped => {}
                    }
                });
            }
        });
        Ok(Self { address, shared, stop: Some(stop), thread: Some(thread) })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers from another zone text from now on; the counts go on.
    pub fn replace(&self, zone: &str) {
        *self.shared.zone.lock().unwrap() = Zone::parse(zone);
    }

    /// How often a name was asked for a type, such as `("A", "mail.example")` or `("PTR", "192.0.2.1")`. A question
    /// that comes by UDP and, truncated, by TCP counts twice.
    pub fn queries(&self, kind: &str, name: &str) -> usize {
        self.shared.counts.lock().unwrap().get(&(kind.to_owned(), zone::key(name))).copied().unwrap_or(0)
    }

    /// The names that were asked for with a type.
    pub fn names(&self, kind: &str) -> Vec<String> {
        let counts = self.shared.counts.lock().unwrap();
        counts.keys().filter(|(asked, _)| asked == kind).map(|(_, name)| name.clone()).collect()
    }

    /// How many questions came.
    pub fn total(&self) -> usize {
        self.shared.total.load(Ordering::SeqCst)
    }

    /// How many questions came by TCP.
    pub fn tcp_queries(&self) -> usize {
        self.shared.tcp.load(Ordering::SeqCst)
    }

    /// The most questions that waited for their reply at once; those that never get one do not count.
    pub fn max_concurrent(&self) -> usize {
        self.shared.max_concurrent.load(Ordering::SeqCst)
    }
}

impl Drop for DnsServer {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Shared {
    /// Counts a query and says what to do; nothing for what is no query.
    fn receive(&self, packet: &[u8]) -> Option<(Plan, usize)> {
        let query = Message::from_vec(packet).ok()?;
        let question = query.queries.first()?;
        let key = (question.query_type().to_string(), zone::key(&question.name().to_ascii()));
        *self.counts.lock().unwrap().entry(key).or_default() += 1;
        self.total.fetch_add(1, Ordering::SeqCst);
        let limit = query.edns.as_ref().map_or(PLAIN_UDP_LIMIT, |edns| usize::from(edns.max_payload()));
        Some((reply::plan(&self.zone.lock().unwrap(), &query), limit))
    }

    /// Waits as the plan says; other questions go on meanwhile.
    async fn wait(&self, delay: Duration, together: usize) {
        let concurrent = self.concurrent.fetch_add(1, Ordering::SeqCst) + 1;
        self.max_concurrent.fetch_max(concurrent, Ordering::SeqCst);
        if together > 0 {
            let barrier = self.barrier(together);
            barrier.wait().await;
        }
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
        self.concurrent.fetch_sub(1, Ordering::SeqCst);
    }

    fn barrier(&self, together: usize) -> Arc<Barrier> {
        let mut barriers = self.barriers.lock().unwrap();
        Arc::clone(barriers.entry(together).or_insert_with(|| Arc::new(Barrier::new(together))))
    }
}

async fn serve_udp(socket: UdpSocket, shared: Arc<Shared>) {
    let socket = Arc::new(socket);
    let mut buffer = [0; 4096];
    loop {
        // A client that closed its socket makes the next receive fail once.
        let Ok((length, client)) = socket.recv_from(&mut buffer).await else { continue };
        let Some((plan, limit)) = shared.receive(&buffer[..length]) else { continue };
        let (socket, shared) = (Arc::clone(&socket), Arc::clone(&shared));
        tokio::spawn(async move {
            let Some(reply) = plan.reply else { return };
            shared.wait(plan.delay, plan.together).await;
            for forged in &plan.forged {
                let _ = socket.send_to(forged, client).await;
            }
            let bytes = if reply.bytes.len() > limit { reply.truncated } else { reply.bytes };
            let _ = socket.send_to(&bytes, client).await;
        });
    }
}

async fn serve_tcp(listener: TcpListener, shared: Arc<Shared>) {
    loop {
        let Ok((stream, _)) = listener.accept().await else { continue };
        let shared = Arc::clone(&shared);
        tokio::spawn(async move {
            let _ = serve_stream(stream, &shared).await;
        });
    }
}

async fn serve_stream(mut stream: TcpStream, shared: &Shared) -> io::Result<()> {
    loop {
        let length = stream.read_u16().await?;
        let mut packet = vec![0; usize::from(length)];
        stream.read_exact(&mut packet).await?;
        let Some((plan, _)) = shared.receive(&packet) else { return Ok(()) };
        shared.tcp.fetch_add(1, Ordering::SeqCst);
        // Silence keeps the connection open, as a lost packet would.
        let Some(reply) = plan.reply else { continue };
        shared.wait(plan.delay, plan.together).await;
        let mut bytes = (reply.bytes.len() as u16).to_be_bytes().to_vec();
        bytes.extend(reply.bytes);
        stream.write_all(&bytes).await?;
    }
}
