//! A wire with a fuse: passes requests on to a house until so many bytes have gone through; then nothing more arrives
//! there, and whoever waits is told. So an import is interrupted in the midst of a request, on a machine of any speed.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

pub struct Fuse {
    /// The end for the client.
    pub url: String,
    /// Hears when it blows.
    pub blown: Receiver<()>,
}

/// A wire to a house at `url` that carries this many bytes of requests.
pub fn fuse(url: &str, bytes: u64) -> Fuse {
    let house = url.strip_prefix("http://").unwrap().to_owned();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (tell, blown) = sync_channel(1);
    let left = Arc::new(AtomicU64::new(bytes));
    thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let Ok(server) = TcpStream::connect(&house) else { continue };
            let (answers, asker) = (server.try_clone().unwrap(), client.try_clone().unwrap());
            thread::spawn(move || carry_answers(answers, asker));
            let (left, tell) = (Arc::clone(&left), tell.clone());
            thread::spawn(move || carry_requests(client, server, &left, &tell));
        }
    });
    Fuse { url, blown }
}

fn carry_answers(mut server: TcpStream, mut client: TcpStream) {
    let _ = std::io::copy(&mut server, &mut client);
    let _ = client.shutdown(Shutdown::Both);
}

fn carry_requests(mut client: TcpStream, mut server: TcpStream, left: &AtomicU64, tell: &SyncSender<()>) {
    let mut buffer = [0; 16 * 1024];
    while let Ok(read @ 1..) = client.read(&mut buffer) {
        let taken = |left: u64| left.checked_sub(read as u64);
        if left.fetch_update(Ordering::AcqRel, Ordering::Acquire, taken).is_err() {
            // Blown. The rest is swallowed, so that neither end is told before it is killed.
            left.store(0, Ordering::Release);
            let _ = tell.try_send(());
        } else if server.write_all(&buffer[..read]).is_err() {
            break;
        }
    }
    let _ = server.shutdown(Shutdown::Both);
}
