//! One run: faults first, then health, then rest.

use crate::{
    base::Base,
    client::{Client, PATIENCE, Wish},
    contract::{GET, LIST, LOAD, PAY, REQUESTS, SAVE},
    net::End,
    node::Node,
    oracle::{Broken, Checked, failure, hold},
    probe,
    seat::Seat,
};
use std::{collections::BTreeSet, time::Duration};
use ws_proto::{CloseCode, Delivery};
use ws_runtime::session::{Command, Drain, Time};

/// Virtual time within which everything has recovered from the last fault.
const HEALED_WITHIN: Duration = Duration::from_secs(120);
/// Rounds without a change of time, past which nothing comes to rest.
const ROUNDS: usize = 20_000;

#[derive(Debug)]
pub(crate) struct World {
    pub(crate) base: Base,
    pub(crate) step: u64,
    seed: u64,
    /// Steps at which nobody acts: how a failure is made small.
    without: BTreeSet<u64>,
    clients: Vec<Client>,
    node: Node,
}

impl World {
    pub(crate) fn new(seed: u64, without: BTreeSet<u64>, with_lines: bool) -> Self {
        let mut base = Base::new(seed, with_lines);
        let clients = (0..base.plan.clients).map(|no| Client::new(no, &mut base)).collect();
        let node = Node::new(&mut base);
        Self { base, step: 0, seed, without, clients, node }
    }

    pub(crate) fn run(&mut self) -> Checked {
        self.settle()?;
        for _ in 0..self.base.plan.steps {
            self.step += 1;
            self.base.draw_anew(self.seed, self.step);
            if !self.without.contains(&self.step) {
                self.act()?;
            }
            self.settle()?;
            if self.base.rng.u32(..3) > 0 {
                self.advance(400)?;
            }
        }
        self.base.healed = true;
        self.base.note(format_args!("no more faults"));
        self.converge()?;
        // What is published now reaches everybody who listens.
        for (_, address) in self.base.plan.channels.clone() {
            self.node.floor.publish(&address, &mut self.base)?;
        }
        self.converge()?;
        self.base.oracle.all_resolved()?;
        self.probe()?;
        self.rest()
    }

    /// One side of a client's session finds its peer wrong.
    fn probe(&mut self) -> Checked {
        let no = self.base.rng.usize(..self.clients.len());
        if self.base.rng.bool() {
            return probe::at_client(&mut self.clients[no], &mut self.base);
        }
        let Node { seats, floor, .. } = &mut self.node;
        let is_its = |seat: &&mut Seat| seat.client == no && seat.session.version().is_some();
        let seat = seats.values_mut().find(is_its);
        seat.map_or(Ok(()), |seat| probe::at_server(seat, floor, &mut self.base))
    }

    fn act(&mut self) -> Checked {
        let no = self.base.rng.usize(..self.clients.len());
        match self.base.rng.u32(..100) {
            0..20 => self.request(no),
            20..32 => {
                let (_, address) = self.base.any_channel();
                let job = self.base.next_job();
                let client = &mut self.clients[no];
                if !client.session.has_room() {
                    return Ok(());
                }
                client.ask(Wish::Publish(address, job), None, &mut self.base)
            }
            32..50 => {
                let (spec, address) = self.base.any_channel();
                // Batches that are dropped in part have to be longer than one event.
                let most = if spec.delivery == Delivery::BestEffort { 12 } else { 6 };
                for _ in 0..self.base.rng.u32(1..most) {
                    self.node.floor.publish(&address, &mut self.base)?;
                }
                Ok(())
            }
            50..60 => {
                let (_, address) = self.base.any_channel();
                self.clients[no].subscribe(address, &mut self.base)
            }
            60..63 => {
                let (_, address) = self.base.any_channel();
                self.clients[no].unsubscribe(&address, &mut self.base)
            }
            63..77 => {
                let (_, address) = self.base.any_channel();
                let count = self.base.rng.usize(1..8);
                self.clients[no].read(&address, count, &self.base)
            }
            77..80 => {
                let open: Vec<_> = self.clients[no].calls.keys().copied().collect();
                let Some(call) = open.get(self.base.rng.usize(..open.len().max(1))) else {
                    return Ok(());
                };
                self.clients[no].cancel(*call, &mut self.base)
            }
            80..98 => self.fault(no),
            _ => {
                self.server_act();
                Ok(())
            }
        }
    }

    fn request(&mut self, no: usize) -> Checked {
        let without: &[usize] = if self.base.plan.saves { &[LIST, LOAD] } else { &[SAVE] };
        let drawn = self.base.rng.usize(..REQUESTS.len());
        let kind = if without.contains(&drawn) { GET } else { drawn };
        let ttl = self.base.chance(4).then(|| self.base.rng.u64(1..3_000));
        let client = &mut self.clients[no];
        if !client.session.has_room() {
            return Ok(());
        }
        if kind == PAY {
            return client.pay(&mut self.base);
        }
        let wish = Wish::Request(kind, self.base.next_job());
        client.ask(wish, ttl.map(Duration::from_millis), &mut self.base)
    }

    /// What the network does.
    fn fault(&mut self, no: usize) -> Checked {
        let links = self.base.net.ids();
        let Some(link) = links.get(self.base.rng.usize(..links.len().max(1))).copied() else {
            return Ok(());
        };
        let from = if self.base.rng.bool() { End::Client } else { End::Server };
        let fault = self.base.rng.u32(..7);
        self.base.note(format_args!("fault {fault} on link {link} from {from:?}"));
        match fault {
            0 => {
                let until = self.base.within(4_000);
                self.base.hit("stall");
                self.base.net.stall(link, from, until);
            }
            1 => {
                self.base.hit("one_way");
                self.base.net.kill(link, from, true);
            }
            2 => {
                self.base.hit("black_hole");
                self.base.net.kill(link, End::Client, true);
                self.base.net.kill(link, End::Server, true);
            }
            3 | 4 => {
                // The client notices; what it sent may still arrive, and nobody tells the server.
                self.base.hit("half_open");
                let flying = self.base.rng.bool();
                self.base.net.kill(link, End::Client, flying);
                let client = self.clients.iter_mut().find(|client| client.link == Some(link));
                return client.map_or(Ok(()), |client| client.lost(&mut self.base));
            }
            5 => {
                self.base.hit("cut");
                self.base.net.kill(link, End::Client, true);
                self.base.net.kill(link, End::Server, true);
                self.lose_at_server(link)?;
                let client = self.clients.iter_mut().find(|client| client.link == Some(link));
                return client.map_or(Ok(()), |client| client.lost(&mut self.base));
            }
            _ => {
                self.base.hit("server_notices");
                self.base.net.kill(link, End::Server, no == 0);
                return self.lose_at_server(link);
            }
        }
        Ok(())
    }

    fn lose_at_server(&mut self, link: u64) -> Checked {
        let seat = self.node.seats.values_mut().find(|seat| seat.link == Some(link));
        seat.map_or(Ok(()), |seat| seat.lost(&mut self.base))
    }

    fn server_act(&mut self) {
        let seats: Vec<_> = self.node.seats.keys().copied().collect();
        let Some(id) = seats.get(self.base.rng.usize(..seats.len().max(1))) else { return };
        let Some(seat) = self.node.seats.get_mut(id) else { return };
        self.base.note(format_args!("the server acts on client {}", seat.client));
        match self.base.rng.u32(..4) {
            0 | 1 => {
                seat.revoke(&mut self.node.floor, &self.base);
            }
            2 => {
                let drain = Drain {
                    retry_after: (Duration::ZERO, Duration::from_secs(1)),
                    endpoint: None,
                    patience: Duration::from_secs(2),
                };
                seat.drain(drain, self.base.now);
            }
            _ => {
                self.base.hit("restart");
                self.node.restart(&mut self.base);
            }
        }
    }

    /// Everything that can happen at this moment.
    fn settle(&mut self) -> Checked {
        for _ in 0..ROUNDS {
            let mut any = false;
            for client in &mut self.clients {
                if client.connect_at.is_some_and(|at| at <= self.base.now) {
                    let link = self.base.net.open();
                    client.connect(link, &self.base)?;
                    self.node.accept(link, (client.no, client.format), &mut self.base);
                    any = true;
                }
                any |= client.pump(&mut self.base)?;
            }
            any |= self.node.pump(&mut self.base)?;
            if !any {
                return Ok(());
            }
        }
        Err(failure("I11", "nothing comes to rest".to_owned()))
    }

    /// Goes to the next moment at which anything is due, and at most this far.
    fn advance(&mut self, ms: u64) -> Checked {
        let limit = self.base.within(ms);
        if self.due().is_some_and(|due| due <= self.base.now) {
            self.handle_timeouts()?;
        }
        let due = self.due().unwrap_or(limit);
        hold("I11", due > self.base.now, || format!("due at {due}: a driver would spin"))?;
        self.base.now = due.min(limit);
        self.base.trace.number(self.base.now.as_millis());
        self.handle_timeouts()
    }

    fn handle_timeouts(&mut self) -> Checked {
        for client in &mut self.clients {
            if client.session.poll_timeout().is_some_and(|due| due <= self.base.now) {
                client.session.handle_timeout(self.base.now);
            }
        }
        self.node.handle_timeouts(&self.base);
        self.settle()
    }

    fn due(&self) -> Option<Time> {
        let clients = self
            .clients
            .iter()
            .flat_map(|it| [it.session.poll_timeout(), it.connect_at, it.auth_at])
            .flatten();
        // A full receiver leaves nothing behind: what has arrived is taken in `settle`.
        clients.chain(self.node.due(self.base.now)).chain(self.base.net.due()).min()
    }

    /// The applications read all that comes and ask again for what they lack.
    fn converge(&mut self) -> Checked {
        let until = self.base.now + HEALED_WITHIN;
        loop {
            for client in &mut self.clients {
                tend(client, &mut self.base)?;
            }
            self.settle()?;
            let Some(lack) = self.clients.iter().find_map(|client| lack(client, &self.base)) else {
                return Ok(());
            };
            hold("I11", self.base.now < until, || lack)?;
            self.step += 1;
            self.advance(2_000)?;
        }
    }

    /// Everybody leaves, and nothing is left behind.
    fn rest(&mut self) -> Checked {
        for client in &mut self.clients {
            client.leaving = true;
            client.connect_at = None;
            client.tell(Command::Close(CloseCode::NORMAL, "done".to_owned()), &self.base)?;
        }
        self.settle()?;
        let until = self.base.now + HEALED_WITHIN;
        while !(self.node.seats.is_empty() && self.base.net.is_empty()) {
            hold("I13", self.base.now < until, || format!("left: {:?}", self.node.seats.keys()))?;
            self.step += 1;
            self.advance(2_000)?;
        }
        let left = self.node.floor.hub.subscriptions();
        hold("I13", left == 0, || format!("{left} subscriptions are left"))
    }
}

fn tend(client: &mut Client, base: &mut Base) -> Result<(), Broken> {
    for (_, address) in base.plan.channels.clone() {
        client.read(&address, usize::MAX, base)?;
        if client.wanted.contains(&address) {
            client.subscribe(address, base)?;
        }
    }
    // What was refused because there was too much of it is asked again one by one.
    while client.calls.is_empty()
        && client.session.has_room()
        && client.session.version().is_some()
        && let Some(wish) = client.again.pop_front()
    {
        let ttl = matches!(wish, Wish::Pay(_)).then_some(PATIENCE);
        client.ask(wish, ttl, base)?;
    }
    Ok(())
}

/// What a client does not have yet.
fn lack(client: &Client, base: &Base) -> Option<String> {
    let no = client.no;
    if client.session.version().is_none() {
        return Some(format!("client {no} is not connected"));
    }
    if client.is_busy() {
        return Some(format!("client {no} waits for {:?}, {:?}", client.calls, client.again));
    }
    if client.tap.owes_cancels() {
        return Some(format!("client {no} has not cancelled what nobody waits for"));
    }
    let behind = client.wanted.iter().find(|address| !base.oracle.is_caught_up(no, address))?;
    Some(format!("client {no} misses events of {behind}"))
}
