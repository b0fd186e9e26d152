use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;

fn main() -> std::io::Result<()> {
    let line = fs::read_to_string("/dev/stdin")?;
    let line = line.trim_end();
    println!("{line} {}", line.chars().count());
    fs::write("/dev/stdout", "written again\n")?;

    let server = TcpListener::bind("localhost:0")?;
    let port = server.local_addr()?.port();
    let answering = thread::spawn(move || server.accept().and_then(|(mut peer, _)| peer.write_all(b"ping")));
    let mut answer = String::new();
    TcpStream::connect(("localhost", port))?.read_to_string(&mut answer)?;
    answering.join().unwrap()?;
    println!("{answer}");
    let Err(failure) = TcpStream::connect("192.0.2.1:80") else { panic!("connected") };
    println!("errno {}", failure.raw_os_error().unwrap_or(0));

    for folder in ["/box", "/tmp"] {
        let path = format!("{folder}/ß");
        fs::write(&path, folder)?;
        println!("{}", fs::read_to_string(&path)?);
    }
    println!("{}", thread::available_parallelism()?);
    Ok(())
}
