//! Random operations against a naive oracle that keeps everything and looks everything up.

use super::*;
use proptest::prelude::*;

const NAMES: [&str; 3] = ["room/a", "room/b", "room/c"];
const CONNECTIONS: u64 = 3;
const LOGS: usize = 2;
/// Room for few events.
const MAX_FRAME: usize = 1024;
/// Events that are held at least before their bytes are too many.
const FEWEST_HELD: u64 = 25;

#[derive(Clone, Debug)]
enum Op {
    /// To a channel, an event with an id and perhaps a key of few, so that they repeat.
    Publish(usize, u128, Option<usize>),
    /// With a position of the current epoch or of another one, and a window.
    Subscribe(u64, usize, Option<(bool, u64)>, u32),
    Unsubscribe(u64, usize),
    Disconnect(u64),
    Take(u64, usize, usize),
    /// Several times, at most so many events at once.
    TakeMany(u64, usize, usize),
    /// A position relative to the last one sent.
    Consume(u64, usize, i64),
}

fn op() -> impl Strategy<Value = Op> {
    let who = || 0..CONNECTIONS;
    let channel = || 0..NAMES.len();
    let since = proptest::option::of((proptest::bool::weighted(0.9), 0..24_u64));
    prop_oneof![
        8 => (channel(), 0..200_u128, proptest::option::weighted(0.2, 0..KEYS.len()))
            .prop_map(|(channel, id, key)| Op::Publish(channel, id, key)),
        2 => (who(), channel(), since, 0..4_u32)
            .prop_map(|(who, channel, since, window)| Op::Subscribe(who, channel, since, window)),
        1 => (who(), channel()).prop_map(|(who, channel)| Op::Unsubscribe(who, channel)),
        1 => who().prop_map(Op::Disconnect),
        5 => (who(), channel(), 1..6_usize).prop_map(|(who, channel, n)| Op::Take(who, channel, n)),
        5 => (who(), channel(), 1..9_usize)
            .prop_map(|(who, channel, most)| Op::TakeMany(who, channel, most)),
        4 => (who(), channel(), -3..2_i64)
            .prop_map(|(who, channel, by)| Op::Consume(who, channel, by)),
    ]
}

const KEYS: [&str; 3] = ["k", "l", "m"];

/// Everything that was ever published to a channel of one epoch.
#[derive(Debug)]
struct History {
    channel: usize,
    epoch: String,
    events: Vec<(u128, Option<usize>)>,
    published: usize,
    /// What the log had forgotten after the last operation.
    reach: u64,
}

impl History {
    fn head(&self) -> u64 {
        self.events.len() as u64
    }

    fn floor(&self) -> u64 {
        self.head().saturating_sub(u64::from(HISTORY))
    }

    fn place_of(&self, id: u128, key: Option<usize>) -> Option<u64> {
        let kept = || (1..=self.head()).zip(&self.events).filter(|(off, _)| *off > self.floor());
        let by_id = kept().find(|(_, event)| event.0 == id);
        by_id.or_else(|| kept().find(|(_, event)| key.is_some() && event.1 == key)).map(|(n, _)| n)
    }
}

/// A subscription: what was seen, event by event.
#[derive(Debug)]
struct Reader {
    who: u64,
    channel: usize,
    at: u64,
    window: usize,
    unacknowledged: Vec<u64>,
    replay_until: Option<u64>,
    drained: bool,
}

impl Reader {
    fn has_room(&self) -> bool {
        self.unacknowledged.len() < self.window
    }

    /// What must come next, as `short` writes it.
    fn expected(&mut self, history: &History) -> Option<String> {
        self.drained = false;
        if self.replay_until.is_some_and(|until| until <= self.at) {
            self.replay_until = None;
            return Some(format!("live {}", self.at));
        }
        if self.at == history.head() || !self.has_room() {
            self.drained = true;
            return None;
        }
        if self.at < history.reach {
            let after = std::mem::replace(&mut self.at, history.reach);
            return Some(format!("gap {after}..={}", self.at));
        }
        self.at += 1;
        self.unacknowledged.push(self.at);
        Some(self.at.to_string())
    }
}

#[derive(Debug)]
struct Oracle {
    hub: Hub,
    histories: Vec<History>,
    readers: Vec<Reader>,
    made: usize,
    published: usize,
}

impl Oracle {
    fn new(address_seed: u64) -> Self {
        let hub = Hub::new(HubConfig {
            epoch_seed: 1,
            address_seed,
            max_logs: LOGS,
            max_frame: MAX_FRAME,
        });
        Self { hub, histories: Vec::new(), readers: Vec::new(), made: 0, published: 0 }
    }

    fn run(&mut self, op: &Op) {
        match *op {
            Op::Publish(channel, id, key) => self.publish(channel, id, key),
            Op::Subscribe(who, channel, since, window) => {
                self.subscribe(who, channel, since, window);
            }
            Op::Unsubscribe(who, channel) => {
                let was = self.reader(who, channel).is_some();
                assert_eq!(self.hub.unsubscribe(ConnectionId(who), &address(NAMES[channel])), was);
                self.readers.retain(|reader| (reader.who, reader.channel) != (who, channel));
            }
            Op::Disconnect(who) => {
                self.hub.disconnect(ConnectionId(who));
                self.readers.retain(|reader| reader.who != who);
            }
            Op::Take(who, channel, n) => (0..n).for_each(|_| self.take(who, channel)),
            Op::TakeMany(who, channel, most) => {
                (0..3).for_each(|_| self.take_many(who, channel, most));
            }
            Op::Consume(who, channel, by) => self.consume(who, channel, by),
        }
        assert_eq!(self.hub.subscriptions(), self.readers.len());
        assert_eq!(self.hub.logs(), self.histories.len());
        assert_eq!(self.hub.channels(), self.histories.len());
        assert!(self.hub.logs() <= LOGS);
        for history in &self.histories {
            let kept = usize::try_from(history.head() - history.floor()).unwrap();
            assert_eq!(self.hub.kept(&address(NAMES[history.channel])), kept);
        }
        self.look_back();
    }

    /// Past its history a log has what somebody waits for who is not told yet that it is gone, and
    /// nothing that nobody waits for.
    fn look_back(&mut self) {
        for history in &mut self.histories {
            let log = &self.hub.channels.find(&address(NAMES[history.channel])).unwrap().log;
            let reach = log.as_ref().unwrap().reach();
            let before = std::mem::replace(&mut history.reach, reach);
            assert!((before..=history.floor()).contains(&reach));
            let awake = self.readers.iter().filter(|it| it.channel == history.channel);
            let waits = awake.filter(|it| !it.drained).map(|it| it.at).min();
            let wanted = waits.unwrap_or(history.floor()).clamp(before, history.floor());
            assert!(reach <= wanted || history.floor() - reach >= FEWEST_HELD, "{history:?}");
            assert!(waits.is_some() || reach == wanted, "{history:?}");
        }
    }

    fn reader(&self, who: u64, channel: usize) -> Option<usize> {
        self.readers.iter().position(|reader| (reader.who, reader.channel) == (who, channel))
    }

    /// The history of a channel, made if there is none and another one can be forgotten.
    fn history(&mut self, channel: usize) -> Option<usize> {
        let found = self.histories.iter().position(|history| history.channel == channel);
        if found.is_some() {
            return found;
        }
        if self.histories.len() == LOGS {
            let listened = |history: &History| {
                self.readers.iter().any(|reader| reader.channel == history.channel)
            };
            let (oldest, _) = self
                .histories
                .iter()
                .enumerate()
                .filter(|(_, history)| !listened(history))
                .min_by_key(|(_, history)| history.published)?;
            self.histories.remove(oldest);
        }
        self.made += 1;
        let epoch = format!("1-{:x}", self.made);
        self.histories.push(History { channel, epoch, events: Vec::new(), published: 0, reach: 0 });
        Some(self.histories.len() - 1)
    }

    fn publish(&mut self, channel: usize, id: u128, key: Option<usize>) {
        let to = address(NAMES[channel]);
        let stamp = Stamp { key: key.map(|key| KEYS[key].into()), ..stamp(id) };
        let published = self.hub.publish(&to, &ROOM, stamp, &said("hello"));
        let Some(index) = self.history(channel) else {
            assert_eq!(published.unwrap_err(), PublishError::Full);
            return;
        };
        let published = published.unwrap();
        let history = &mut self.histories[index];
        let repeated = history.place_of(id, key);
        assert_eq!(published.duplicate, repeated.is_some());
        let mut woken = Vec::new();
        if repeated.is_none() {
            history.events.push((id, key));
            self.published += 1;
            history.published = self.published;
            for reader in self.readers.iter_mut().filter(|reader| reader.channel == channel) {
                if reader.has_room() && std::mem::take(&mut reader.drained) {
                    woken.push(ConnectionId(reader.who));
                }
            }
        }
        let off = repeated.unwrap_or(history.head());
        assert_eq!(published.position, Some(Position { epoch: history.epoch.clone(), off }));
        woken.sort_unstable();
        assert_eq!(published.wake, woken);
    }

    fn subscribe(&mut self, who: u64, channel: usize, since: Option<(bool, u64)>, window: u32) {
        let to = address(NAMES[channel]);
        let already = self.reader(who, channel).is_some();
        // The epoch that the channel has, or will have.
        let current = self.histories.iter().find(|history| history.channel == channel);
        let epoch = current
            .map_or_else(|| format!("1-{:x}", self.made + 1), |history| history.epoch.clone());
        let since = since.map(|(same, off)| Position {
            epoch: if same { epoch.clone() } else { "0-0".to_owned() },
            off,
        });
        let done = self.hub.subscribe(ConnectionId(who), &to, &ROOM, since.as_ref(), window);
        if already {
            assert_eq!(done, Err(SubscribeError::AlreadySubscribed));
            return;
        }
        let Some(index) = self.history(channel) else {
            assert_eq!(done, Err(SubscribeError::Full));
            return;
        };
        let history = &self.histories[index];
        let reason = since.as_ref().and_then(|since| match since {
            since if since.epoch != epoch || since.off > history.head() => {
                Some(NotRecovered::Epoch)
            }
            since if since.off < history.floor() => Some(NotRecovered::Trimmed),
            _ => None,
        });
        let recovered = since.as_ref().map(|_| reason.is_none());
        let at = since.filter(|_| reason.is_none()).map_or(history.head(), |since| since.off);
        assert_eq!(done, Ok(Done { epoch: Some(epoch), off: Some(at), recovered, reason }));
        self.readers.push(Reader {
            who,
            channel,
            at,
            window: window.max(1) as usize,
            unacknowledged: Vec::new(),
            replay_until: (recovered == Some(true)).then_some(history.head()),
            drained: recovered != Some(true),
        });
    }

    fn take(&mut self, who: u64, channel: usize) {
        let outgoing = self.hub.next(ConnectionId(who), &address(NAMES[channel]));
        let Some(index) = self.reader(who, channel) else {
            assert!(outgoing.is_none());
            return;
        };
        let reader = &mut self.readers[index];
        let history = self.histories.iter().find(|history| history.channel == channel).unwrap();
        assert_eq!(outgoing.as_ref().map(short), reader.expected(history));
        assert!(reader.unacknowledged.len() <= reader.window);
        if let Some(Outgoing::Event(event)) = &outgoing {
            let (id, _) = history.events[usize::try_from(reader.at).unwrap() - 1];
            assert_eq!(event.head.id, message(id));
        }
        self.look_back();
    }

    fn take_many(&mut self, who: u64, channel: usize, most: usize) {
        let taken = self.hub.next_many(ConnectionId(who), &address(NAMES[channel]), most);
        let Some(index) = self.reader(who, channel) else {
            assert!(taken.is_none());
            return;
        };
        let reader = &mut self.readers[index];
        let history = self.histories.iter().find(|history| history.channel == channel).unwrap();
        let (outgoing, is_more) = taken.unzip();
        let events = match &outgoing {
            Some(Outgoing::Events(batch)) => batch.events(),
            other => {
                assert_eq!(other.as_ref().map(short), reader.expected(history));
                &[]
            }
        };
        assert!(events.len() != 1 && events.len() <= most);
        let bytes: usize = events.iter().map(|event| event.size()).sum();
        assert!(bytes <= MAX_FRAME, "{bytes} bytes are no message's");
        for event in events {
            let off = short(&Outgoing::Event(Arc::clone(event)));
            assert_eq!(Some(off), reader.expected(history));
            let (id, _) = history.events[usize::try_from(reader.at).unwrap() - 1];
            assert_eq!(event.head.id, message(id));
        }
        assert!(reader.unacknowledged.len() <= reader.window);
        if is_more == Some(false) {
            assert_eq!(reader.expected(history), None);
        }
        self.look_back();
    }

    fn consume(&mut self, who: u64, channel: usize, by: i64) {
        let reader = self.reader(who, channel).map(|index| &mut self.readers[index]);
        let off = reader.as_ref().map_or(0, |reader| reader.at).saturating_add_signed(by);
        let more = self.hub.consumed(ConnectionId(who), &address(NAMES[channel]), off);
        let Some(reader) = reader else {
            assert_eq!(more, Ok(false));
            return;
        };
        if off > reader.at {
            assert_eq!(more, Err(Misplaced));
            return;
        }
        reader.unacknowledged.retain(|sent| *sent > off);
        let history = self.histories.iter().find(|history| history.channel == channel).unwrap();
        let expected = reader.has_room() && reader.at < history.head();
        reader.drained &= !expected;
        assert_eq!(more, Ok(expected));
    }

    /// Everybody takes and consumes until nothing is left: all have reached the head.
    fn settle(&mut self) {
        for index in 0..self.readers.len() {
            let Reader { who, channel, .. } = self.readers[index];
            loop {
                self.take(who, channel);
                if self.readers[index].drained {
                    self.consume(who, channel, 0);
                }
                if self.readers[index].drained {
                    break;
                }
            }
            let history = self.histories.iter().find(|history| history.channel == channel);
            assert_eq!(self.readers[index].at, history.unwrap().head());
            assert!(self.readers[index].unacknowledged.is_empty());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Every subscriber sees offsets that rise by exactly 1 except where an exact gap stands, and
    /// never has more than its window unacknowledged; whoever goes on reading reaches the head.
    #[test]
    fn the_hub_does_what_a_naive_one_does_wherever_channels_stand(
        seed in any::<u64>(),
        ops in proptest::collection::vec(op(), 1..200),
    ) {
        let mut oracle = Oracle::new(seed);
        for op in &ops {
            oracle.run(op);
        }
        oracle.settle();
        for who in 0..CONNECTIONS {
            oracle.run(&Op::Disconnect(who));
        }
        prop_assert!(oracle.hub.by_connection.is_empty());
        let mut channels = oracle.hub.channels.all();
        prop_assert!(channels.all(|it| it.sleepers.is_empty() && it.taken.is_none()));
        prop_assert_eq!(oracle.hub.idle.len(), oracle.hub.logs());
    }
}
