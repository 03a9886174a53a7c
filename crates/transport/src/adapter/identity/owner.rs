//! Which account listens on a port of this machine, and which program.
//!
//! Linux shows it in `/proc/net/tcp` and `/proc/net/tcp6` (proc_pid_net(5)): a line for each socket, its local address
//! in hexadecimal, each 32-bit word in the byte order of the machine, its state, the user id of its owner and its inode.
//! Who holds that inode open is read from the descriptors of each process, which only the same account may. Elsewhere
//! nobody can say.

use std::{
    fmt::Write as _,
    net::{IpAddr, Ipv6Addr, SocketAddr},
    path::Path,
};

/// The state of a socket that listens.
const LISTENS: &str = "0A";

/// Whoever listens where this connection leads.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Owner {
    /// Their user id.
    pub(super) account: Option<u32>,
    /// The file of their program, where it can be read.
    pub(super) program: Option<String>,
}

/// Reads what the kernel says. Blocks.
pub(super) fn of(peer: SocketAddr) -> Owner {
    if !cfg!(target_os = "linux") {
        return Owner::default();
    }
    let read = |name: &str| std::fs::read_to_string(name).unwrap_or_default();
    let found = in_tables(peer, &read("/proc/net/tcp"), &read("/proc/net/tcp6"));
    found.map_or_else(Owner::default, |(account, inode)| Owner {
        account: Some(account),
        program: program(Path::new("/proc"), inode),
    })
}

/// The longest name of a program that is kept.
const NAME: usize = 1024;

/// The program of the first process that holds this socket: a service that was handed its socket shares it with who did.
fn program(processes: &Path, inode: u64) -> Option<String> {
    let wanted = format!("socket:[{inode}]");
    let ids = std::fs::read_dir(processes).ok()?.flatten();
    let mut ids: Vec<u32> = ids
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .collect();
    ids.sort_unstable();
    let holds = |id: &u32| {
        let open = std::fs::read_dir(processes.join(id.to_string()).join("fd"));
        // One that is another account's cannot be read.
        open.is_ok_and(|open| {
            open.flatten().any(|entry| {
                std::fs::read_link(entry.path()).is_ok_and(|it| it.as_os_str() == &*wanted)
            })
        })
    };
    let id = ids.into_iter().find(holds)?;
    let file = std::fs::read_link(processes.join(id.to_string()).join("exe")).ok()?;
    let file = file.to_str()?;
    // A program that was replaced while it runs is the one of its place.
    let file = file.strip_suffix(" (deleted)").unwrap_or(file);
    (file.len() <= NAME).then(|| file.to_owned())
}

/// A socket of this very address comes before one of every address, as it does for the kernel.
fn in_tables(peer: SocketAddr, four: &str, six: &str) -> Option<(u32, u64)> {
    let port = peer.port();
    match peer.ip() {
        IpAddr::V4(ip) => {
            let mapped = words(&ip.to_ipv6_mapped().octets());
            listener(four, &words(&ip.octets()), port)
                .or_else(|| listener(six, &mapped, port))
                .or_else(|| listener(four, &words(&[0; 4]), port))
                .or_else(|| listener(six, &words(&Ipv6Addr::UNSPECIFIED.octets()), port))
        }
        IpAddr::V6(ip) => listener(six, &words(&ip.octets()), port)
            .or_else(|| listener(six, &words(&Ipv6Addr::UNSPECIFIED.octets()), port)),
    }
}

fn words(octets: &[u8]) -> String {
    let mut text = String::with_capacity(octets.len() * 2);
    for word in octets.chunks_exact(4) {
        let word: [u8; 4] = word.try_into().unwrap_or_default();
        let _infallible = write!(text, "{:08X}", u32::from_ne_bytes(word));
    }
    text
}

fn listener(table: &str, address: &str, port: u16) -> Option<(u32, u64)> {
    let wanted = format!("{address}:{port:04X}");
    table.lines().skip(1).find_map(|line| {
        let mut fields = line.split_whitespace();
        let local = fields.nth(1)?;
        let state = fields.nth(1)?;
        if local != wanted || state != LISTENS {
            return None;
        }
        let account = fields.nth(3)?.parse().ok()?;
        Some((account, fields.nth(1)?.parse().ok()?))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const FOUR: &str = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:2CAA 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 31415 1 0 100 0 0 10 0
   1: 00000000:2CAA 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 27182 1 0 100 0 0 10 0
   2: 0100007F:0050 0100007F:2CAA 01 00000000:00000000 00:00000000 00000000   999        0 1 1 0 100 0 0 10 0
   3: 00000000:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000    33        0 2 1 0 100 0 0 10 0
";
    const SIX: &str = "  sl  local_address                         remote_address                        st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 00000000000000000000000001000000:2CAA 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000  1001        0 3 1 0 100 0 0 10 0
   1: 00000000000000000000000000000000:0016 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4 1 0 100 0 0 10 0
   2: 0000000000000000FFFF00000100007F:0017 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000     7        0 5 1 0 100 0 0 10 0
";

    #[test]
    #[cfg(target_endian = "little")]
    fn s39_the_account_is_that_of_the_socket_that_the_kernel_gives_the_connection_to() {
        for (peer, uid) in [
            ("127.0.0.1:11434", Some(1000)),
            ("127.0.0.2:11434", Some(0)),
            ("[::1]:11434", Some(1001)),
            ("127.0.0.1:8080", Some(33)),
            // A socket of both families.
            ("127.0.0.1:22", Some(0)),
            ("127.0.0.1:23", Some(7)),
            ("[::1]:22", Some(0)),
            // A connection is no listener.
            ("127.0.0.1:80", None),
            ("[::1]:8080", None),
            ("127.0.0.1:9", None),
        ] {
            assert_eq!(
                in_tables(peer.parse().expect(peer), FOUR, SIX).map(|(uid, _)| uid),
                uid,
                "{peer}"
            );
        }
        let first = in_tables("127.0.0.1:11434".parse().expect("an address"), FOUR, SIX);
        assert_eq!(first, Some((1000, 31415)));
        assert_eq!(
            in_tables(
                "127.0.0.1:1".parse().expect("an address"),
                "",
                "nonsense\n x"
            ),
            None
        );
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn s39_a_listener_of_this_process_is_its_accounts() {
        use std::os::unix::fs::MetadataExt;
        let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).expect("a port");
        let own = std::fs::metadata("/proc/self").expect("there").uid();
        let address = listener.local_addr().expect("an address");
        let program = std::env::current_exe().expect("this one");
        let owner = of(address);
        assert_eq!(owner.account, Some(own));
        assert_eq!(owner.program.as_deref(), program.to_str());
        drop(listener);
        assert_eq!(of(address), Owner::default());
    }
}
