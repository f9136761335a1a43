//! A connection's pace: which time runs while it does what, and the socket that keeps to it.

use std::io::{Error, ErrorKind, IoSlice, Result};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use futures::task::AtomicWaker;
use hyper::body::{Frame, SizeHint};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};

use super::ServeOptions;

/// Whether a request is being answered, or the next one is waited for.
#[derive(Debug, Clone, Default)]
pub(super) struct Phase(Arc<Requests>);

#[derive(Debug, Default)]
struct Requests {
    begun: AtomicUsize,
    ended: AtomicUsize,
    /// Woken when a request has ended: whoever reads begins to wait for the next one.
    reader: AtomicWaker,
}

impl Phase {
    /// A request has come; it is in flight until the answer's body is gone.
    pub(super) fn hold(&self) -> InFlight {
        self.0.begun.fetch_add(1, Ordering::SeqCst);
        InFlight(self.clone())
    }

    /// How many requests have come on this connection.
    fn begun(&self) -> usize {
        self.0.begun.load(Ordering::SeqCst)
    }

    /// Whether no request is in flight; when one is, the task is woken at its end.
    fn is_waiting(&self, context: &Context<'_>) -> bool {
        self.0.reader.register(context.waker());
        self.begun() == self.0.ended.load(Ordering::SeqCst)
    }
}

/// A request in flight.
pub(super) struct InFlight(Phase);

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.0.ended.fetch_add(1, Ordering::SeqCst);
        self.0.0.reader.wake();
    }
}

/// An answer's body, whose end is the end of its request.
pub(super) struct Held {
    body: Body,
    _in_flight: InFlight,
}

impl Held {
    pub(super) fn new(body: Body, in_flight: InFlight) -> Self {
        Self { body, _in_flight: in_flight }
    }
}

impl HttpBody for Held {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<std::result::Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A time that may be running.
///
/// To set a timer costs more than to look at the clock, and almost every time is over before it has run out: so a timer
/// that rings too early is left as it is, and looked at when it rings.
#[derive(Default)]
struct Deadline {
    timer: Option<Pin<Box<Sleep>>>,
    at: Option<Instant>,
}

impl Deadline {
    fn runs(&self) -> bool {
        self.at.is_some()
    }

    fn start(&mut self, patience: Duration) {
        let at = Instant::now() + patience;
        self.at = Some(at);
        match &mut self.timer {
            Some(timer) if timer.deadline() > at || timer.is_elapsed() => timer.as_mut().reset(at),
            Some(_) => {}
            none => *none = Some(Box::pin(tokio::time::sleep_until(at))),
        }
    }

    fn stop(&mut self) {
        self.at = None;
    }

    /// An error when the time is over; else the task is woken when it is.
    fn check(&mut self, context: &mut Context<'_>) -> Result<()> {
        let (Some(at), Some(timer)) = (self.at, &mut self.timer) else { return Ok(()) };
        while timer.as_mut().poll(context).is_ready() {
            if timer.deadline() >= at {
                return Err(Error::from(ErrorKind::TimedOut));
            }
            timer.as_mut().reset(at);
        }
        Ok(())
    }
}

/// A socket that fails when its peer is too slow.
pub(super) struct Paced<S> {
    socket: S,
    phase: Phase,
    /// Runs while a request is waited for.
    reading: Deadline,
    /// Whether a byte of the awaited request has come.
    has_begun: bool,
    /// How many requests had come when the socket was last read.
    seen: usize,
    /// Runs while the peer does not take what is written.
    writing: Deadline,
    head: Duration,
    idle: Duration,
    stall: Duration,
}

impl<S> Paced<S> {
    pub(super) fn new(socket: S, phase: Phase, options: &ServeOptions) -> Self {
        let mut reading = Deadline::default();
        // Who opens a connection has something to say.
        reading.start(options.head);
        Self {
            socket,
            phase,
            reading,
            has_begun: true,
            seen: 0,
            writing: Deadline::default(),
            head: options.head,
            idle: options.idle,
            stall: options.stall,
        }
    }

    fn after_read(&mut self, context: &Context<'_>, came: bool) {
        let begun = self.phase.begun();
        if begun != self.seen {
            self.seen = begun;
            self.has_begun = false;
            self.reading.stop();
        }
        if !self.phase.is_waiting(context) {
            return;
        }
        if came && !self.has_begun {
            self.has_begun = true;
            self.reading.start(self.head);
        } else if !self.reading.runs() {
            self.reading.start(self.idle);
        }
    }

    fn after_write<T>(&mut self, context: &mut Context<'_>, written: Poll<Result<T>>) -> Poll<Result<T>> {
        if written.is_ready() {
            self.writing.stop();
            return written;
        }
        if !self.writing.runs() {
            self.writing.start(self.stall);
        }
        match self.writing.check(context) {
            Ok(()) => Poll::Pending,
            Err(error) => Poll::Ready(Err(error)),
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Paced<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.socket).poll_read(context, buffer);
        self.after_read(context, buffer.filled().len() > before);
        if read.is_pending() {
            self.reading.check(context)?;
        }
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Paced<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<Result<usize>> {
        let written = Pin::new(&mut self.socket).poll_write(context, bytes);
        self.after_write(context, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<Result<usize>> {
        let written = Pin::new(&mut self.socket).poll_write_vectored(context, slices);
        self.after_write(context, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<()>> {
        Pin::new(&mut self.socket).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(context)
    }
}
