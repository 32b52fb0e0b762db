//! Plays one case: one side by hand, the other is judged.

use crate::{
    case::{Case, Step},
    judge::Judge,
    line::{Line, bare},
    names::Names,
    testee::Testee,
    transcript::{
        Labels, Short, Who, build, compare, describe, is_sequenced, is_within, payload_of,
    },
    wire::{Wire, status},
};
use serde_json::Value;
use std::{
    collections::VecDeque,
    time::{Duration, SystemTime, UNIX_EPOCH},
};
use tokio::{net::TcpListener, time::Instant};
use ws_proto::{Envelope, Format, Frame, IdSource};

/// How long the subject may take for anything that a case shows.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long the subject may go on with what it began, once a case is over.
const AFTERWARDS: Duration = Duration::from_millis(100);

/// Who is judged.
#[derive(Clone, Debug)]
pub(crate) enum Subject {
    /// A server, by its URL.
    Server(String),
    /// A client, by the command that starts it.
    Client(Vec<String>),
}

impl Subject {
    /// Plays a case.
    pub(crate) async fn play(&self, case: &Case, format: Format) -> Result<(), String> {
        let mut play = Play::new(self, format, case.is_open).await?;
        let played = play.run(case).await;
        if let Some(testee) = play.testee.take() {
            testee.stop().await;
        }
        played
    }
}

/// Where connections come from.
enum Way {
    To(String),
    From(TcpListener),
}

struct Play {
    way: Way,
    ours: Who,
    format: Format,
    is_open: bool,
    testee: Option<Testee>,
    reports: VecDeque<Value>,
    line: Option<Line>,
    before: Option<Line>,
    /// What is known of the session whose connection was lost.
    kept: Option<Judge>,
    labels: Labels,
    names: Names,
    ids: IdSource,
}

impl Play {
    async fn new(subject: &Subject, format: Format, is_open: bool) -> Result<Self, String> {
        let (way, ours, testee) = match subject {
            Subject::Server(url) => (Way::To(url.clone()), Who::C, None),
            Subject::Client(command) => {
                let listener = TcpListener::bind(("127.0.0.1", 0)).await;
                let listener = listener.map_err(|error| format!("cannot listen: {error}"))?;
                let port = listener.local_addr().map_err(|error| error.to_string())?.port();
                let url = format!("ws://127.0.0.1:{port}/");
                let testee = Testee::start(command, &url, format)?;
                (Way::From(listener), Who::S, Some(testee))
            }
        };
        // Two runs must not send the same ids to one server.
        let ids = IdSource::new(seed());
        let (reports, labels) = (VecDeque::new(), Labels::new());
        let (line, before, kept) = (None, None, None);
        let names = Names::default();
        Ok(Self {
            way,
            ours,
            format,
            is_open,
            testee,
            reports,
            line,
            before,
            kept,
            labels,
            names,
            ids,
        })
    }

    async fn run(&mut self, case: &Case) -> Result<(), String> {
        let room = format!("r{:x}", seed());
        for line in &case.steps {
            let mut line = line.clone();
            line.text = line.text.replace("@room", &room);
            let done = match line.step(self.ours) {
                Ok(step) => self.step(step).await,
                Err(error) => Err(error),
            };
            done.map_err(|error| format!("line {}: {}\n  {error}", line.number, line.text))?;
        }
        // A client that was closed may be on its way back.
        self.settle(AFTERWARDS)
            .await
            .and_then(|()| self.unshown())
            .map_err(|error| format!("at the end: {error}"))
    }

    async fn step(&mut self, step: Step) -> Result<(), String> {
        match step {
            Step::Send(short, is_checked) => self.send(short, is_checked).await,
            Step::Flood(count, short) => {
                // Nothing waits for these answers by name.
                self.is_open = true;
                for _ in 0..count {
                    self.send(short.clone(), true).await?;
                }
                Ok(())
            }
            Step::Raw(text) => {
                let id = self.line().await?.send_raw(&text).await;
                self.labels.extend(id.map(|id| ("raw".to_owned(), id)));
                Ok(())
            }
            Step::Breaks(rule) => self.line().await?.break_rule(&rule).await,
            Step::Expect(short) => self.expect(short).await,
            Step::Answers(label) => self.answered(&label).await,
            Step::Closes(code, is_before) => self.closes(code, is_before).await,
            Step::Close(code) => {
                self.line().await?.close(code).await;
                Ok(())
            }
            Step::Order(mut order) => {
                self.names.fill_value(&mut order)?;
                let testee = self.testee.as_mut().ok_or("a server takes no orders")?;
                testee.order(&order).await
            }
            Step::Report(expected) => self.report(expected).await,
            Step::Connect => self.connect().await,
            Step::Lost => {
                self.before = None;
                self.kept = self.line.take().map(|line| line.judge);
                Ok(())
            }
            Step::Quiet(time) => self.quiet(time).await,
            Step::Acknowledged(seq) => self.acknowledged(seq).await,
            Step::NotAcknowledged(seq) => {
                let said = self.line().await?.judge.acknowledged;
                let error = || format!("acknowledged up to {said}, which is not handled");
                if said > seq { Err(error()) } else { Ok(()) }
            }
            Step::Silent => {
                self.line().await?.is_silent = true;
                Ok(())
            }
            Step::Http(expected, headers) => {
                let Way::To(url) = &self.way else {
                    return Err("a client serves no HTTP".to_owned());
                };
                let came = status(url, &headers).await?;
                if came == expected { Ok(()) } else { Err(format!("the status is {came}")) }
            }
            Step::Nothing => Ok(()),
        }
    }

    /// The connection; the first one is made when it is needed.
    async fn line(&mut self) -> Result<&mut Line, String> {
        if self.line.is_none() {
            self.connect().await?;
        }
        self.line.as_mut().ok_or_else(|| "there is no connection".to_owned())
    }

    async fn connect(&mut self) -> Result<(), String> {
        let wire = match &self.way {
            Way::To(url) => Wire::connect(url, self.format).await?,
            Way::From(listener) => Wire::accept(listener, self.format).await?,
        };
        let before = self.line.as_ref().map(|line| line.judge.clone());
        let mut judge =
            self.kept.take().or(before).unwrap_or_else(|| Judge::new(self.ours.other()));
        judge.reconnected();
        let mut line = Line::new(wire, self.format, judge);
        // A transcript shows every pong.
        line.is_silent = self.is_open;
        self.before = self.line.replace(line);
        Ok(())
    }

    async fn send(&mut self, mut short: Short, is_checked: bool) -> Result<(), String> {
        self.names.fill(&mut short)?;
        let (ours, format) = (self.ours, self.format);
        let said = if is_checked { short.clone() } else { Short::of(short.words.clone()) };
        let mut envelope = build(&said, format, &mut self.labels, &mut self.ids, now_ms())?;
        if !is_checked {
            let payload = short.json.clone().unwrap_or_default();
            envelope = bare(envelope.head, &payload, format)?;
        }
        let line = self.line().await?;
        envelope.head.seq = match short.field("seq") {
            Some("-") => None,
            Some(_) => short.field_number("seq")?,
            None => is_sequenced(ours, &envelope).then_some(line.judge.sent + 1),
        };
        match &envelope.frame {
            Frame::Hello(hello) => {
                line.judge.greeted(hello.resume.as_ref().map(|resume| resume.recv));
            }
            Frame::Welcome(welcome) if welcome.session.resumed => {
                line.judge.resumes = Some(welcome.recv);
                line.judge.resumed(welcome.recv);
            }
            Frame::Welcome(_) if line.judge.resumes.is_some() => line.judge.anew(),
            _ => {}
        }
        line.send(&envelope).await
    }

    async fn expect(&mut self, mut short: Short) -> Result<(), String> {
        if short.first() == "$close" {
            return self.closes(short.close_code(1)?.0, false).await;
        }
        let label = short.words.iter().find_map(|word| word.strip_prefix("re#"));
        let re = label.map(|label| {
            let known = self.labels.get(label).copied();
            known.ok_or_else(|| format!("no message is `#{label}`"))
        });
        let re = re.transpose()?;
        let until = Instant::now() + PATIENCE;
        loop {
            if let Some(envelope) = self.line().await?.find(&short, re) {
                return self.compare(&mut short, &envelope);
            }
            let line = self.line().await?;
            if line.closed.is_some() {
                let ended = line.ended(0).and_then(Result::err).unwrap_or_default();
                return Err(format!("it did not come: {ended}"));
            }
            if !self.pump(until).await? {
                let unshown = self.line().await?.unshown();
                let late = format!("it did not come within {} s", PATIENCE.as_secs());
                return Err(if unshown.is_empty() {
                    late
                } else {
                    format!("{late}\n  got {unshown}")
                });
            }
        }
    }

    async fn answered(&mut self, label: &str) -> Result<(), String> {
        let short = Short::of([format!("any re#{label}")]);
        let re = self.labels.get(label).copied();
        let until = Instant::now() + PATIENCE;
        loop {
            let line = self.line().await?;
            if let Some(envelope) = line.find(&short, re) {
                let kind = &envelope.head.kind;
                let is_answer = kind == "$err" || kind.ends_with(".ok") || kind.ends_with(".err");
                let other = || format!("this is no answer\n  got {}", describe(&envelope));
                return if is_answer { Ok(()) } else { Err(other()) };
            }
            if line.closed.is_some() || !self.pump(until).await? {
                return Err("no answer came".to_owned());
            }
        }
    }

    fn compare(&mut self, short: &mut Short, envelope: &Envelope) -> Result<(), String> {
        let head = &envelope.head;
        let fields = [
            ("seq", head.seq),
            ("ack", head.ack),
            ("off", head.off),
            ("prev", head.prev),
            ("ttl", head.ttl),
        ];
        self.names.learn(short, &fields, &payload_of(envelope)?);
        compare(short, envelope, &mut self.labels)
            .map_err(|error| format!("{error}\n  got {}", describe(envelope)))
    }

    async fn closes(&mut self, code: u16, is_before: bool) -> Result<(), String> {
        let until = Instant::now() + PATIENCE;
        if !is_before {
            self.line().await?;
        }
        loop {
            let line = if is_before { self.before.as_ref() } else { self.line.as_ref() };
            let ended = line.ok_or("there is no such connection")?.ended(code);
            if let Some(ended) = ended {
                return ended;
            }
            if !self.pump(until).await? {
                return Err(format!("not closed within {} s", PATIENCE.as_secs()));
            }
        }
    }

    async fn acknowledged(&mut self, seq: u64) -> Result<(), String> {
        let until = Instant::now() + PATIENCE;
        loop {
            let line = self.line().await?;
            let said = line.judge.acknowledged;
            if said >= seq {
                return Ok(());
            }
            if line.closed.is_some() || !self.pump(until).await? {
                return Err(format!("acknowledged up to {said} only"));
            }
        }
    }

    async fn report(&mut self, mut expected: Value) -> Result<(), String> {
        let until = Instant::now() + PATIENCE;
        loop {
            let found = self.reports.iter().position(|report| is_about(&expected, report));
            if let Some(report) = found.and_then(|at| self.reports.remove(at)) {
                self.names.learn_value(&mut expected, &report);
                let holds = is_within(&expected, &report);
                return if holds { Ok(()) } else { Err(format!("the testee said {report}")) };
            }
            if !self.pump(until).await? {
                let seconds = PATIENCE.as_secs();
                let said: Vec<_> = self.reports.iter().map(Value::to_string).collect();
                let said = said.join(" ");
                return Err(format!(
                    "the testee did not say it within {seconds} s; it said {said}"
                ));
            }
        }
    }

    /// Nothing comes for a time that no line of the case has shown.
    async fn quiet(&mut self, time: Duration) -> Result<(), String> {
        self.settle(time).await?;
        if let (Way::From(listener), true) = (&self.way, self.has_ended()) {
            // A connection that waits is taken at once.
            let came = tokio::time::timeout(Duration::from_millis(1), listener.accept()).await;
            if came.is_ok() {
                return Err("the client connected again, and should not".to_owned());
            }
        }
        self.unshown()
    }

    /// Takes what comes for a time.
    async fn settle(&mut self, time: Duration) -> Result<(), String> {
        let until = Instant::now() + time;
        while self.pump(until).await? {}
        Ok(())
    }

    /// Everything that came was shown by a line of the case.
    fn unshown(&mut self) -> Result<(), String> {
        if self.is_open {
            return Ok(());
        }
        let unshown = self.line.as_ref().map(Line::unshown).unwrap_or_default();
        if !unshown.is_empty() {
            return Err(format!("this came, and nothing should\n  got {unshown}"));
        }
        self.reports.retain(|report| !is_aside(report));
        match self.reports.front() {
            Some(report) => Err(format!("the testee said {report}, and should say nothing")),
            None => Ok(()),
        }
    }

    /// Whether the last connection is over by the word of one side.
    fn has_ended(&self) -> bool {
        self.line.as_ref().is_some_and(|line| line.closed.is_some())
    }

    /// Takes one thing that comes; false when nothing came in time.
    async fn pump(&mut self, until: Instant) -> Result<bool, String> {
        let came = {
            tokio::select! {
                came = next(&mut self.line) => Some((came, false)),
                came = next(&mut self.before) => Some((came, true)),
                report = said(&mut self.testee) => {
                    self.reports.push_back(report?);
                    None
                }
                () = tokio::time::sleep_until(until) => return Ok(false),
            }
        };
        if let Some((came, is_before)) = came {
            let line = if is_before { self.before.as_mut() } else { self.line.as_mut() };
            if let Some(line) = line {
                line.take(came, &mut self.ids).await?;
            }
        }
        Ok(true)
    }
}

async fn next(line: &mut Option<Line>) -> crate::wire::Came {
    match line {
        Some(line) => line.next().await,
        None => std::future::pending().await,
    }
}

async fn said(testee: &mut Option<Testee>) -> Result<Value, String> {
    match testee {
        Some(testee) => testee.next().await,
        None => std::future::pending().await,
    }
}

/// Whether two reports speak of the same thing. Of states each is a thing of its own.
fn is_about(expected: &Value, report: &Value) -> bool {
    let same = |name: &str| expected.get(name) == report.get(name);
    let is_state = expected.get("state").is_some();
    let is_aside = report.get("state").is_some() || report.get("live").is_some();
    if is_state { is_within(expected, report) } else { !is_aside && same("n") && same("ch") }
}

/// Whether a report may be passed over.
fn is_aside(report: &Value) -> bool {
    report.get("state").is_some() || report.get("live").is_some()
}

fn now_ms() -> u64 {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX)
}

/// Another number in every case of every run.
fn seed() -> u64 {
    use std::hash::{BuildHasher, RandomState};
    RandomState::new().hash_one(now_ms())
}
