//! The state of the chat: rooms, who is in them, what was said. Pure: it is told the time, and it
//! returns what is to be published.

use crate::protocol::{
    HistoryError, JoinError, Joined, LobbyEvent, Message, PostError, RoomEvent, RoomInfo,
    TopicError,
};
use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::{Arc, Weak},
    time::{Duration, Instant},
};
use ws_proto::Position;

/// The room that is always there.
pub(crate) const FIRST_ROOM: &str = "lobby";
/// Rooms at once; an empty one makes place for a new one.
pub(crate) const ROOMS: usize = 64;
/// People in one room.
pub(crate) const MEMBERS: usize = 100;
/// Messages that one room keeps.
pub(crate) const MESSAGES: usize = 256;
/// Bytes of one message.
pub(crate) const TEXT: usize = 4_000;
/// Bytes of a topic.
pub(crate) const TOPIC: usize = 200;
/// People at once, those included whose connection was lost a moment ago.
pub(crate) const PEOPLE: usize = 10_000;

/// Everything that the server knows.
#[derive(Debug)]
pub(crate) struct House {
    rooms: BTreeMap<String, Room>,
    people: BTreeMap<String, Person>,
    last_message: u64,
}

/// Something to publish.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum News {
    /// In the room of this name.
    Room(String, RoomEvent),
    /// About the rooms.
    Lobby(LobbyEvent),
}

/// Held by each connection of a person: while one of them lives, the person is here.
pub(crate) type Presence = Arc<()>;

#[derive(Debug)]
struct Room {
    members: BTreeSet<String>,
    messages: VecDeque<Arc<Message>>,
    topic: String,
    /// The last event in the room's channel.
    position: Position,
}

#[derive(Debug)]
struct Person {
    presence: Weak<()>,
    away_since: Option<Instant>,
}

impl House {
    /// Messages are numbered from the milliseconds of the start, so that numbers also rise from
    /// one run of the server to the next.
    pub(crate) fn new(start_ms: u64) -> Self {
        let rooms = BTreeMap::from([(FIRST_ROOM.to_owned(), Room::new())]);
        Self { rooms, people: BTreeMap::new(), last_message: start_ms }
    }

    /// A connection of `who` begins; `None` when there is no room for another person.
    pub(crate) fn arrive(&mut self, who: &str) -> Option<Presence> {
        if let Some(presence) = self.people.get(who).and_then(|person| person.presence.upgrade()) {
            return Some(presence);
        }
        if self.people.len() >= PEOPLE && !self.people.contains_key(who) {
            return None;
        }
        let presence = Presence::default();
        let person = Person { presence: Arc::downgrade(&presence), away_since: None };
        self.people.insert(who.to_owned(), person);
        Some(presence)
    }

    /// Takes everybody out whose last connection was gone for longer than `grace`.
    pub(crate) fn sweep(&mut self, now: Instant, grace: Duration) -> Vec<News> {
        let mut gone = Vec::new();
        self.people.retain(|who, person| {
            if person.presence.strong_count() > 0 {
                person.away_since = None;
                return true;
            }
            let since = *person.away_since.get_or_insert(now);
            let stays = now.saturating_duration_since(since) < grace;
            if !stays {
                gone.push(who.clone());
            }
            stays
        });
        let rooms: Vec<_> = self.rooms.keys().cloned().collect();
        let pairs = gone.iter().flat_map(|who| rooms.iter().map(move |room| (who, room)));
        pairs.flat_map(|(who, room)| self.leave(who, room)).collect()
    }

    pub(crate) fn list(&self) -> Vec<RoomInfo> {
        let info =
            |(name, room): (&String, &Room)| RoomInfo { name: name.clone(), members: room.count() };
        self.rooms.iter().map(info).collect()
    }

    pub(crate) fn join(&mut self, who: &str, room: &str) -> Result<Vec<News>, JoinError> {
        if !is_name(room) {
            return Err(JoinError::BadName);
        }
        let mut news = Vec::new();
        if !self.rooms.contains_key(room) {
            news.extend(self.make_place()?);
            news.push(News::Lobby(LobbyEvent::RoomOpened { room: room.to_owned() }));
        }
        let entered = self.rooms.entry(room.to_owned()).or_insert_with(Room::new);
        if entered.members.contains(who) {
            return Ok(news);
        }
        if entered.members.len() >= MEMBERS {
            return Err(JoinError::Full);
        }
        entered.members.insert(who.to_owned());
        news.push(News::Room(room.to_owned(), RoomEvent::Entered { who: who.to_owned() }));
        news.push(entered.head_count(room));
        Ok(news)
    }

    /// The room as it is now; an empty one where there is none.
    pub(crate) fn joined(&self, room: &str) -> Joined {
        self.rooms.get(room).map_or_else(|| Room::new().joined(), Room::joined)
    }

    pub(crate) fn leave(&mut self, who: &str, room: &str) -> Vec<News> {
        let Some(left) = self.rooms.get_mut(room) else { return Vec::new() };
        if !left.members.remove(who) {
            return Vec::new();
        }
        let event = RoomEvent::Left { who: who.to_owned() };
        vec![News::Room(room.to_owned(), event), left.head_count(room)]
    }

    pub(crate) fn is_member(&self, who: &str, room: &str) -> bool {
        self.rooms.get(room).is_some_and(|room| room.members.contains(who))
    }

    pub(crate) fn post(
        &mut self,
        by: &str,
        room: &str,
        text: String,
        at: u64,
    ) -> Result<Arc<Message>, PostError> {
        let posted = self.rooms.get_mut(room).filter(|room| room.members.contains(by));
        let Some(posted) = posted else { return Err(PostError::NotAMember) };
        if text.trim().is_empty() {
            return Err(PostError::Empty);
        }
        if text.len() > TEXT {
            return Err(PostError::TooLong);
        }
        self.last_message += 1;
        let message = Message { number: self.last_message, by: by.to_owned(), text, at };
        let message = Arc::new(message);
        if posted.messages.len() == MESSAGES {
            posted.messages.pop_front();
        }
        posted.messages.push_back(Arc::clone(&message));
        Ok(message)
    }

    /// The room is about something else now. Saying the same again is no news.
    pub(crate) fn set_topic(
        &mut self,
        by: &str,
        room: &str,
        topic: &str,
    ) -> Result<Option<News>, TopicError> {
        let discussed = self.rooms.get_mut(room).filter(|room| room.members.contains(by));
        let discussed = discussed.ok_or(TopicError::NotAMember)?;
        if topic.len() > TOPIC || topic.chars().any(char::is_control) {
            return Err(TopicError::BadTopic);
        }
        if discussed.topic == topic {
            return Ok(None);
        }
        topic.clone_into(&mut discussed.topic);
        let event = RoomEvent::TopicSet { by: by.to_owned(), topic: topic.to_owned() };
        Ok(Some(News::Room(room.to_owned(), event)))
    }

    /// The last `limit` messages, the oldest first, and how many older ones there are.
    pub(crate) fn history(
        &self,
        who: &str,
        room: &str,
        limit: u32,
    ) -> Result<(Vec<Arc<Message>>, u32), HistoryError> {
        let room = self.rooms.get(room).filter(|room| room.members.contains(who));
        let messages = &room.ok_or(HistoryError::NotAMember)?.messages;
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let older = messages.len().saturating_sub(limit);
        Ok((messages.iter().skip(older).cloned().collect(), count(older)))
    }

    /// News stands in its channel.
    pub(crate) fn stands(&mut self, news: &News, position: Position) {
        if let News::Room(room, _) = news
            && let Some(room) = self.rooms.get_mut(room)
        {
            room.position = position;
        }
    }

    /// Closes an empty room if there are as many rooms as there may be.
    fn make_place(&mut self) -> Result<Option<News>, JoinError> {
        if self.rooms.len() < ROOMS {
            return Ok(None);
        }
        let is_empty =
            |(name, room): &(&String, &Room)| room.members.is_empty() && *name != FIRST_ROOM;
        let (name, _) = self.rooms.iter().find(is_empty).ok_or(JoinError::TooManyRooms)?;
        let room = name.clone();
        self.rooms.remove(&room);
        Ok(Some(News::Lobby(LobbyEvent::RoomClosed { room })))
    }
}

impl Room {
    const fn new() -> Self {
        // No log has the empty epoch: a subscription from here begins anew.
        let position = Position { epoch: String::new(), off: 0 };
        let members = BTreeSet::new();
        Self { members, messages: VecDeque::new(), topic: String::new(), position }
    }

    fn joined(&self) -> Joined {
        let Position { epoch, off } = self.position.clone();
        let members = self.members.iter().cloned().collect();
        Joined { members, topic: self.topic.clone(), epoch, off }
    }

    fn count(&self) -> u32 {
        count(self.members.len())
    }

    fn head_count(&self, room: &str) -> News {
        News::Lobby(LobbyEvent::Members { room: room.to_owned(), count: self.count() })
    }
}

/// Whether a person or a room may be called so. In a channel's address a byte takes up to three:
/// 64 of them fit in its 255.
pub(crate) fn is_name(name: &str) -> bool {
    (1..=64).contains(&name.len())
        && name.chars().count() <= 32
        && name.trim() == name
        && !name.chars().any(char::is_control)
}

fn count(people: usize) -> u32 {
    u32::try_from(people).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entered(room: &str, who: &str) -> News {
        News::Room(room.to_owned(), RoomEvent::Entered { who: who.to_owned() })
    }

    fn members(room: &str, count: u32) -> News {
        News::Lobby(LobbyEvent::Members { room: room.to_owned(), count })
    }

    #[test]
    fn entering_twice_is_entering_once() {
        let mut house = House::new(0);
        let news = house.join("ann", FIRST_ROOM).unwrap();
        assert_eq!(news, [entered(FIRST_ROOM, "ann"), members(FIRST_ROOM, 1)]);
        assert_eq!(house.join("ann", FIRST_ROOM), Ok(Vec::new()));
        assert_eq!(house.joined(FIRST_ROOM).members, ["ann"]);
    }

    #[test]
    fn a_person_leaves_when_the_grace_after_their_last_connection_is_over() {
        let (mut house, grace) = (House::new(0), Duration::from_secs(20));
        let first = house.arrive("ann").unwrap();
        let second = house.arrive("ann").unwrap();
        house.join("ann", FIRST_ROOM).unwrap();
        let start = Instant::now();
        drop(first);
        assert_eq!(house.sweep(start, grace), []);
        assert_eq!(house.sweep(start + grace, grace), []);
        drop(second);
        assert_eq!(house.sweep(start + grace, grace), []);
        let left = News::Room(FIRST_ROOM.to_owned(), RoomEvent::Left { who: "ann".to_owned() });
        assert_eq!(house.sweep(start + grace * 2, grace), [left, members(FIRST_ROOM, 0)]);
        assert!(house.people.is_empty());
    }

    #[test]
    fn who_comes_back_within_the_grace_stays() {
        let (mut house, grace) = (House::new(0), Duration::from_secs(20));
        drop(house.arrive("ann").unwrap());
        house.join("ann", FIRST_ROOM).unwrap();
        let start = Instant::now();
        house.sweep(start, grace);
        let _back = house.arrive("ann").unwrap();
        assert_eq!(house.sweep(start + grace, grace), []);
        assert!(house.is_member("ann", FIRST_ROOM));
    }

    #[test]
    fn a_full_room_takes_nobody_else() {
        let mut house = House::new(0);
        for number in 0..MEMBERS {
            house.join(&format!("guest {number}"), FIRST_ROOM).unwrap();
        }
        assert_eq!(house.join("ann", FIRST_ROOM), Err(JoinError::Full));
        assert_eq!(house.join("guest 0", FIRST_ROOM), Ok(Vec::new()));
    }

    #[test]
    fn only_an_empty_room_makes_place_for_a_new_one() {
        let mut house = House::new(0);
        house.join("ann", FIRST_ROOM).unwrap();
        for number in 1..ROOMS {
            house.join("ann", &format!("room {number}")).unwrap();
        }
        assert_eq!(house.join("ann", "attic"), Err(JoinError::TooManyRooms));
        house.leave("ann", "room 7");
        let news = house.join("ann", "attic").unwrap();
        let closed = LobbyEvent::RoomClosed { room: "room 7".to_owned() };
        assert_eq!(news[0], News::Lobby(closed));
        assert_eq!(house.list().len(), ROOMS);
    }

    #[test]
    fn a_room_keeps_its_newest_messages() {
        let mut house = House::new(0);
        house.join("ann", FIRST_ROOM).unwrap();
        for number in 0..=MESSAGES {
            house.post("ann", FIRST_ROOM, number.to_string(), 0).unwrap();
        }
        let (messages, older) = house.history("ann", FIRST_ROOM, u32::MAX).unwrap();
        assert_eq!((messages.len(), messages[0].number, older), (MESSAGES, 2, 0));
        let (messages, older) = house.history("ann", FIRST_ROOM, 1).unwrap();
        assert_eq!((messages.len(), older), (1, 255));
        assert_eq!(house.history("bob", FIRST_ROOM, 1), Err(HistoryError::NotAMember));
    }

    #[test]
    fn a_message_is_refused_with_the_reason() {
        let mut house = House::new(0);
        let post = |house: &mut House, text: &str| {
            house.post("ann", FIRST_ROOM, text.to_owned(), 0).map(|message| message.number)
        };
        assert_eq!(post(&mut house, "hi"), Err(PostError::NotAMember));
        house.join("ann", FIRST_ROOM).unwrap();
        assert_eq!(post(&mut house, " \n"), Err(PostError::Empty));
        assert_eq!(post(&mut house, &"a".repeat(TEXT + 1)), Err(PostError::TooLong));
        assert_eq!(post(&mut house, &"a".repeat(TEXT)), Ok(1));
    }

    #[test]
    fn a_topic_stays_until_there_is_another() {
        let mut house = House::new(0);
        let refused =
            |house: &mut House, topic: &str| house.set_topic("ann", FIRST_ROOM, topic).unwrap_err();
        assert_eq!(refused(&mut house, "tea"), TopicError::NotAMember);
        house.join("ann", FIRST_ROOM).unwrap();
        assert_eq!(refused(&mut house, "te\ra"), TopicError::BadTopic);
        assert_eq!(refused(&mut house, &"a".repeat(TOPIC + 1)), TopicError::BadTopic);
        let (by, topic) = ("ann".to_owned(), "tea".to_owned());
        let news = News::Room(FIRST_ROOM.to_owned(), RoomEvent::TopicSet { by, topic });
        assert_eq!(house.set_topic("ann", FIRST_ROOM, "tea"), Ok(Some(news)));
        assert_eq!(house.set_topic("ann", FIRST_ROOM, "tea"), Ok(None));
        assert_eq!(house.joined(FIRST_ROOM).topic, "tea");
    }

    #[test]
    fn a_name_is_short_and_visible() {
        for good in ["a", "Zoë", &"é".repeat(32), "a b"] {
            assert!(is_name(good), "{good}");
        }
        for bad in ["", " a", "a\n", "a\u{7}b", &"a".repeat(33), &"🦀".repeat(17)] {
            assert!(!is_name(bad), "{bad:?}");
        }
    }
}
