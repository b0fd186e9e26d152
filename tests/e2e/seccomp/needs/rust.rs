// What Rust programs ask of the kernel: each need fails loudly, the last line is "ok".
use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};
use std::sync::{mpsc, Arc, Barrier, Condvar, Mutex};
use std::thread;
use std::time::Duration;

fn threads() {
    let barrier = Arc::new(Barrier::new(8));
    let workers: Vec<_> = (0..8)
        .map(|index| {
            let barrier = barrier.clone();
            thread::Builder::new()
                .name(format!("worker-{index}"))
                .spawn(move || barrier.wait().is_leader())
                .unwrap()
        })
        .collect();
    let leaders = workers.into_iter().map(|worker| worker.join().unwrap());
    assert_eq!(leaders.filter(|leader| *leader).count(), 1);
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || sender.send(7));
    assert_eq!(receiver.recv_timeout(Duration::from_secs(5)), Ok(7));
    let (lock, never) = (Mutex::new(()), Condvar::new());
    let (_guard, outcome) = never
        .wait_timeout(lock.lock().unwrap(), Duration::from_millis(5))
        .unwrap();
    assert!(outcome.timed_out());
    assert!(thread::available_parallelism().unwrap().get() > 0);
}

fn processes() {
    let output = Command::new("echo").arg("x").output().unwrap();
    assert_eq!(output.stdout, b"x\n");
    let mut sleeper = Command::new("sleep").arg("60").stdin(Stdio::null()).spawn().unwrap();
    sleeper.kill().unwrap();
    assert!(!sleeper.wait().unwrap().success());
    let folder = fs::canonicalize(".").unwrap();
    assert!(Command::new("true").current_dir(folder).status().unwrap().success());
}

// file to file (copy_file_range), file to socket (sendfile), socket to file (splice)
fn copies() {
    fs::write("source", vec![b'x'; 100_000]).unwrap();
    assert_eq!(fs::copy("source", "target").unwrap(), 100_000);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let sender = thread::spawn(move || {
        let mut socket = TcpStream::connect(address).unwrap();
        io::copy(&mut File::open("source").unwrap(), &mut socket).unwrap()
    });
    let (mut socket, _) = listener.accept().unwrap();
    let received = io::copy(&mut socket, &mut File::create("received").unwrap()).unwrap();
    assert_eq!((received, sender.join().unwrap()), (100_000, 100_000));
    let mut child = Command::new("cat")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    io::copy(&mut File::open("source").unwrap(), &mut child.stdin.take().unwrap()).unwrap();
    let mut printed = File::create("printed").unwrap();
    let copied = io::copy(&mut child.stdout.take().unwrap(), &mut printed).unwrap();
    assert_eq!(copied, 100_000);
    child.wait().unwrap();
}

fn sockets_and_files() {
    let (mut left, mut right) = UnixStream::pair().unwrap();
    left.write_all(b"x").unwrap();
    right.read_exact(&mut [0]).unwrap();
    let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
    udp.send_to(b"x", udp.local_addr().unwrap()).unwrap();
    udp.recv(&mut [0]).unwrap();
    fs::create_dir_all("a/b/c").unwrap();
    fs::remove_dir_all("a").unwrap();
    File::open("source").unwrap().sync_all().unwrap();
    let random: HashMap<u8, u8> = HashMap::new(); // seeds itself from the kernel
    assert!(random.is_empty());
}

fn main() {
    threads();
    processes();
    copies();
    sockets_and_files();
    println!("ok");
}
