//! A TCP proxy that counts: what it did not see did not reach the server.

use std::{
    io::{self, Read, Write},
    net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

/// What went through so far.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Seen {
    /// Connections that were opened.
    pub(super) connections: u64,
    /// Bytes from clients to the server.
    pub(super) bytes: u64,
}

#[derive(Debug, Default)]
struct Counters {
    /// Who connected, in order.
    peers: Mutex<Vec<SocketAddr>>,
    /// How many of them were our own.
    marks: AtomicU64,
    bytes: AtomicU64,
    open: AtomicU64,
}

impl Counters {
    fn peers(&self) -> std::sync::MutexGuard<'_, Vec<SocketAddr>> {
        // A list of addresses is whole whatever happened to the thread that held it.
        self.peers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Passes everything on to one server, both ways, until this process ends.
#[derive(Debug)]
pub(super) struct Proxy {
    /// Where it listens.
    pub(super) addr: SocketAddr,
    counters: Arc<Counters>,
}

impl Proxy {
    pub(super) fn before(server: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let proxy = Self {
            addr: listener.local_addr()?,
            counters: Arc::default(),
        };
        let counters = Arc::clone(&proxy.counters);
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                if let Ok(peer) = client.peer_addr() {
                    counters.peers().push(peer);
                }
                let counters = Arc::clone(&counters);
                thread::spawn(move || serve(client, server, &counters));
            }
        });
        Ok(proxy)
    }

    /// What went through so far. Connections are taken in order, so once our own is, every earlier one was.
    pub(super) fn seen(&self) -> io::Result<Seen> {
        let mark = TcpStream::connect(self.addr)?;
        let ours = mark.local_addr()?;
        let deadline = Instant::now() + Duration::from_secs(10);
        while !self.counters.peers().contains(&ours) {
            if Instant::now() > deadline {
                return Err(io::ErrorKind::TimedOut.into());
            }
            thread::sleep(Duration::from_millis(5));
        }
        let marks = self.counters.marks.fetch_add(1, Ordering::SeqCst) + 1;
        let connections = (self.counters.peers().len() as u64).saturating_sub(marks);
        Ok(Seen {
            connections,
            bytes: self.counters.bytes.load(Ordering::SeqCst),
        })
    }

    /// Whether every connection is closed, now or within the time.
    pub(super) fn quiet_within(&self, time: Duration) -> bool {
        let deadline = Instant::now() + time;
        loop {
            if self.counters.open.load(Ordering::SeqCst) == 0 {
                return true;
            }
            if Instant::now() > deadline {
                return false;
            }
            thread::sleep(Duration::from_millis(20));
        }
    }
}

fn serve(client: TcpStream, server: SocketAddr, counters: &Arc<Counters>) {
    let Ok(upstream) = TcpStream::connect(server) else {
        return;
    };
    let (Ok(from_client), Ok(to_client)) = (client.try_clone(), client.try_clone()) else {
        return;
    };
    let (Ok(from_server), Ok(to_server)) = (upstream.try_clone(), upstream.try_clone()) else {
        return;
    };
    counters.open.fetch_add(1, Ordering::SeqCst);
    let back = thread::spawn(move || copy(from_server, to_client, None));
    copy(from_client, to_server, Some(&counters.bytes));
    // A client that went away takes its connection with it: that is how a server learns of it.
    let _closed = upstream.shutdown(Shutdown::Both);
    let _ended = back.join();
    let _closed = client.shutdown(Shutdown::Both);
    counters.open.fetch_sub(1, Ordering::SeqCst);
}

fn copy(mut from: TcpStream, mut to: TcpStream, count: Option<&AtomicU64>) {
    let mut buffer = [0; 16 * 1024];
    while let Ok(n) = from.read(&mut buffer) {
        if n == 0 {
            break;
        }
        if let Some(count) = count {
            count.fetch_add(n as u64, Ordering::SeqCst);
        }
        if to.write_all(&buffer[..n]).is_err() {
            break;
        }
    }
    let _closed = to.shutdown(Shutdown::Write);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A server that sends back what it gets.
    fn echo() -> SocketAddr {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("bound");
        let addr = listener.local_addr().expect("an address");
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let back = client.try_clone().expect("cloned");
                thread::spawn(move || copy(client, back, None));
            }
        });
        addr
    }

    #[test]
    fn it_passes_bytes_on_and_counts_them() {
        let proxy = Proxy::before(echo()).expect("listens");
        assert_eq!(proxy.seen().expect("seen"), Seen::default());
        let mut stream = TcpStream::connect(proxy.addr).expect("connects");
        stream.write_all(b"hello").expect("sent");
        let mut back = [0; 5];
        stream.read_exact(&mut back).expect("comes back");
        assert_eq!(&back, b"hello");
        let want = Seen {
            connections: 1,
            bytes: 5,
        };
        assert_eq!(proxy.seen().expect("seen"), want);
        assert!(!proxy.quiet_within(Duration::ZERO));
        drop(stream);
        assert!(proxy.quiet_within(Duration::from_secs(5)));
    }

    #[test]
    fn a_connection_without_a_byte_counts() {
        let proxy = Proxy::before(echo()).expect("listens");
        drop(TcpStream::connect(proxy.addr).expect("connects"));
        let want = Seen {
            connections: 1,
            bytes: 0,
        };
        // However often it is looked at.
        for _ in 0..3 {
            assert_eq!(proxy.seen().expect("seen"), want);
        }
    }
}
