//! Cuts connections in memory, with what was on its way.

use futures_util::{future::BoxFuture, task::AtomicWaker};
use std::{
    future::ready,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
};
use ws_proto::{CloseCode, Credentials, Format, Limits, Protocol};
use ws_runtime::{
    Server,
    transport::{Lost, Received, Transport, connect::ConnectError, memory},
};

/// What an attempt to connect comes to.
pub(crate) type Reached = BoxFuture<'static, Result<Box<dyn Transport>, ConnectError>>;

/// Cuts the connections that go through it.
#[derive(Clone, Default)]
pub(crate) struct Scissors(Arc<Mutex<Vec<Arc<Cut>>>>);

#[derive(Default)]
struct Cut {
    is_cut: AtomicBool,
    waker: AtomicWaker,
}

impl Scissors {
    /// Both ends lose the connection at once, with what was on its way.
    pub(crate) fn cut(&self) {
        for cut in self.0.lock().unwrap().drain(..) {
            cut.is_cut.store(true, Ordering::SeqCst);
            cut.waker.wake();
        }
    }

    /// Reaches a server in the same process, over connections that can be cut.
    pub(crate) fn connector<P: Protocol>(
        &self,
        server: &Server<P>,
    ) -> impl Fn(Format) -> Reached + Send + Sync + use<P> {
        let (server, scissors) = (server.clone(), self.clone());
        move |format| Box::pin(ready(Ok(scissors.wrap(served(&server, format)))))
    }

    fn wrap(&self, transport: memory::Memory) -> Box<dyn Transport> {
        let cut = Arc::<Cut>::default();
        self.0.lock().unwrap().push(Arc::clone(&cut));
        Box::new(Cuttable { inner: Some(transport), cut })
    }
}

/// The client's end of a connection to a server in the same process.
fn served<P: Protocol>(server: &Server<P>, format: Format) -> memory::Memory {
    let (ours, theirs) = memory::pair(format, &Limits::default());
    let server = server.clone();
    tokio::spawn(async move { server.serve(Box::new(theirs), Credentials::default()).await });
    ours
}

/// A transport that can be cut from outside.
struct Cuttable {
    inner: Option<memory::Memory>,
    cut: Arc<Cut>,
}

impl Cuttable {
    fn inner(&mut self) -> Option<&mut memory::Memory> {
        if self.cut.is_cut.load(Ordering::SeqCst) {
            self.inner = None;
        }
        self.inner.as_mut()
    }
}

impl Transport for Cuttable {
    fn format(&self) -> Format {
        self.inner.as_ref().map_or(Format::Json, Transport::format)
    }

    fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Received> {
        self.cut.waker.register(cx.waker());
        match self.inner() {
            Some(inner) => inner.poll_recv(cx),
            None => Poll::Ready(Received::Lost("cut".to_owned())),
        }
    }

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Lost>> {
        match self.inner() {
            Some(inner) => inner.poll_ready(cx),
            None => Poll::Ready(Err(Lost("cut".to_owned()))),
        }
    }

    fn start_send(&mut self, message: &[u8]) -> Result<(), Lost> {
        self.inner().map_or(Ok(()), |inner| inner.start_send(message))
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Lost>> {
        self.inner().map_or(Poll::Ready(Ok(())), |inner| inner.poll_flush(cx))
    }

    fn poll_close(&mut self, cx: &mut Context<'_>, close: Option<(CloseCode, &str)>) -> Poll<()> {
        self.inner().map_or(Poll::Ready(()), |inner| inner.poll_close(cx, close))
    }

    fn unwritten(&self) -> usize {
        self.inner.as_ref().map_or(0, Transport::unwritten)
    }
}
