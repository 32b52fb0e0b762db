//! A thousand clients that lose their connections in one instant: all come back, none of them
//! misses anything, and they do not come back in one instant.

use crate::scissors::Scissors;
use crate::support::{App, Hall, HallEvent, Lab};
use futures_util::future::join_all;
use std::{
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::time::Instant;
use ws_proto::Format;
use ws_runtime::{Client, Server, ServerConfig};

const CLIENTS: usize = 1_000;

/// When each attempt to connect was made.
type Attempts = Arc<Mutex<Vec<Instant>>>;

async fn connect(
    server: &Server<Lab>,
    scissors: &Scissors,
    attempts: &Attempts,
    format: Format,
) -> Client<Lab> {
    let (reach, attempts) = (scissors.connector(server), Arc::clone(attempts));
    Client::builder("ws://memory")
        .token(|| async { "ann".to_owned() })
        .format(format)
        .connector(move |format| {
            attempts.lock().unwrap().push(Instant::now());
            reach(format)
        })
        .connect()
        .await
        .expect("the server takes ann in")
}

#[tokio::test(start_paused = true)]
async fn a_thousand_that_are_lost_at_once_come_back_one_by_one_and_miss_nothing() {
    let config = ServerConfig { max_sessions_per_principal: None, ..ServerConfig::default() };
    let server = Server::<Lab>::with_config(App::default(), config).unwrap();
    let (scissors, attempts) = (Scissors::default(), Attempts::default());
    let clients = (0..CLIENTS)
        .map(|n| connect(&server, &scissors, &attempts, Format::ALL[n % Format::ALL.len()]));
    let clients = join_all(clients).await;
    let halls =
        join_all(clients.iter().map(|client| client.subscribe(Hall { name: "open".into() }))).await;
    attempts.lock().unwrap().clear();
    let lost = Instant::now();
    scissors.cut();
    let published = server
        .publish(Hall { name: "open".into() }, &HallEvent::Said { text: "still here?".into() })
        .await;
    published.expect("the hall takes events");
    let heard = halls.into_iter().map(|hall| async move {
        let mut hall = hall.expect("ann may listen");
        loop {
            if let Ok(HallEvent::Said { text }) = hall.next().await.expect("it goes on") {
                return text;
            }
        }
    });
    assert!(join_all(heard).await.iter().all(|text| text == "still here?"));
    let attempts: Vec<_> =
        attempts.lock().unwrap().iter().map(|at| at.duration_since(lost)).collect();
    assert_eq!(attempts.len(), CLIENTS, "each came back with its first attempt");
    let second = |share: f64| Duration::from_secs_f64(share);
    for (from, to) in [(0.5, 0.6), (0.9, 1.1), (1.4, 1.5)] {
        let there = attempts.iter().filter(|at| (second(from)..=second(to)).contains(at)).count();
        assert!(there > CLIENTS / 50, "{there} between {from} and {to} s");
    }
    assert!(attempts.iter().all(|at| (second(0.5)..=second(1.6)).contains(at)));
}
