//! Events that are acknowledged by hand.

use crate::support::{App, Hall, HallEvent, Lab};
use ws_proto::{Format, Position};
use ws_runtime::{Server, client::ManualSubscription, testing};

fn hall() -> Hall {
    Hall { name: "x".into() }
}

fn said(n: u64) -> HallEvent {
    HallEvent::Said { text: n.to_string() }
}

/// Takes the next event, which must be this one, and says whether it was done with.
async fn take(hall: &mut ManualSubscription<HallEvent>, n: u64, is_done: bool) {
    let held = hall.next().await.expect("the subscription ended").expect("no gap");
    assert_eq!((held.off, &held.event), (n, &said(n)));
    if is_done {
        held.ack();
    }
}

#[tokio::test]
async fn what_was_not_acknowledged_comes_again_after_the_last_position_that_was() {
    let server = Server::<Lab>::new(App::default());
    let client = testing::connect(&server, Some("ann"), Format::Json).await.unwrap();
    let mut first = client.subscribe(hall()).await.unwrap().manual_ack();
    let mut last = None;
    for n in 1..=4 {
        last = server.publish(hall(), &said(n)).await.unwrap();
    }
    for (n, is_done) in [(1, true), (2, true), (3, false), (4, false)] {
        take(&mut first, n, is_done).await;
    }
    drop(first);
    let since = Position { off: 2, ..last.unwrap() };
    let mut second = client.subscribe_since(hall(), Some(since)).await.unwrap().manual_ack();
    for n in [3, 4] {
        take(&mut second, n, true).await;
    }
    server.publish(hall(), &said(5)).await.unwrap();
    take(&mut second, 5, true).await;
}
