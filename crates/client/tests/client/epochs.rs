//! Names and epochs: what is cached, when the cache is emptied, and which dense numbers of the caller are accepted.

use crate::fake::{Accept, Peer, Sent, network};
use std::time::Duration;
use stockhold_client::protocol::command::{Command, Target};
use stockhold_client::protocol::frame::{self, FrameKind, Header};
use stockhold_client::protocol::query::Name;
use stockhold_client::protocol::{Code, CommandId, Envelope, Outcome, ReservationId, SkuId, StockId};
use stockhold_client::{Availability, CallError, Cart, Client};

fn named() -> Cart<'static> {
    Cart::from_channel("website", "us").line("BIKE", 2).line("BIKE", 1)
}

async fn open() -> (Client, Peer, Accept) {
    let (dialer, mut accept) = network();
    let builder = Client::builder().connections(1).deadline(Duration::from_secs(10));
    let (client, peer) = tokio::join!(builder.connect_with(dialer), Peer::accept(&mut accept, 1));
    (client.unwrap(), peer, accept)
}

/// Resolves the cart's names, accepts one reserve, and returns the numbers in it.
async fn serve_named(peer: &mut Peer, numbers: [u32; 2], resolves: bool) -> (u32, u32) {
    if resolves {
        let asked = peer.next().await;
        assert_eq!(asked.names()[..2], [Name::Sku("BIKE".into()), Name::Sku("BIKE".into())]);
        let channel = Name::Channel("website".into(), "us".into());
        assert_eq!(asked.names()[2], channel);
        peer.numbers(&asked, &[Some(numbers[0]), Some(numbers[0]), Some(numbers[1])]).await;
    }
    let sent = peer.next().await;
    let record = sent.commands().remove(0).2;
    let Command::Reserve(reserve) = Envelope::decode(&record).unwrap().command else { panic!("no reserve") };
    let Target::Channel(channel) = reserve.target else { panic!("no channel") };
    peer.answer_all(&sent, Code::Ok).await;
    (reserve.lines.get(0).unwrap().sku.0, channel.0)
}

#[tokio::test(start_paused = true)]
async fn names_are_asked_once_and_again_after_the_epoch_changed() {
    // Proves the cache, and that no number of the old epoch reaches the new log.
    let (client, mut peer, mut accept) = open().await;
    let cart = named();
    let (answer, seen) = tokio::join!(client.reserve(&cart), serve_named(&mut peer, [4, 7], true));
    assert!(answer.unwrap().is_done());
    assert_eq!(seen, (4, 7));
    assert_eq!(client.names_cached(), 3);
    let (answer, seen) = tokio::join!(client.reserve(&cart), serve_named(&mut peer, [0, 0], false));
    assert!(answer.unwrap().is_done());
    assert_eq!(seen, (4, 7));
    drop(peer);
    let (answer, seen) = tokio::join!(client.reserve(&cart), async {
        let mut peer = Peer::accept(&mut accept, 2).await;
        let seen = serve_named(&mut peer, [5, 8], true).await;
        (seen, peer)
    });
    assert!(answer.unwrap().is_done());
    assert_eq!(seen.0, (5, 8));
    assert_eq!(client.identity().unwrap().epoch, 2);
}

#[tokio::test(start_paused = true)]
async fn a_callers_own_numbers_do_not_cross_an_epoch() {
    // Proves that a dense number of the old log is never sent to the new one, and that the caller gets an error.
    let (client, mut peer, mut accept) = open().await;
    let cart = Cart::from_stock(StockId(1)).line(SkuId(1), 1);
    let call = tokio::spawn({
        let (client, cart) = (client.clone(), cart.clone());
        async move { client.reserve(&cart).await }
    });
    let sent = peer.next().await;
    drop(peer);
    let mut peer = Peer::accept(&mut accept, 2).await;
    let result = call.await.unwrap();
    let id = sent.commands()[0].0;
    assert!(
        matches!(result, Err(CallError::EpochChanged { earlier: Some(earlier) }) if earlier == id),
        "{result:?}"
    );
    assert!(peer.is_quiet().await);
}

/// Answers all commands of a frame as a server does that knows later names than the client.
async fn refuse_names(peer: &mut Peer, sent: &Sent, name_generation: u32) {
    let outcome = Outcome::new(Code::NamesChanged, name_generation, 9);
    let mut body = Vec::new();
    (0..sent.header.count).for_each(|index| outcome.encode(index, &mut body));
    let header = Header {
        names: frame::low_bits(name_generation),
        ..Header::new(FrameKind::Outcomes, sent.header.request, sent.header.count)
    };
    let mut bytes = Vec::new();
    frame::append(header, &body, &mut bytes);
    peer.write(&bytes).await;
}

#[tokio::test(start_paused = true)]
async fn names_are_asked_again_after_one_was_given_to_another_thing() {
    // Proves that a command which was refused for that is sent again under its id with new numbers, that frames say the new name
    // generation from then on, and that a command without numbers is only sent again.
    let (client, mut peer, _accept) = open().await;
    let cart = named();
    let (answer, seen) = tokio::join!(client.reserve(&cart), serve_named(&mut peer, [4, 7], true));
    assert!(answer.unwrap().is_done());
    assert_eq!(seen, (4, 7));
    let (answer, ()) = tokio::join!(client.reserve(&cart), async {
        let sent = peer.next().await;
        assert_eq!(sent.header.names, 0);
        refuse_names(&mut peer, &sent, 0x3_0002).await;
        let asked = peer.next().await;
        peer.numbers(&asked, &[Some(9), Some(9), Some(7)]).await;
        let again = peer.next().await;
        assert_eq!((again.header.names, again.commands()[0].0), (2, sent.commands()[0].0));
        assert_ne!(again.commands()[0].2, sent.commands()[0].2, "another number of the SKU");
        peer.answer_all(&again, Code::Ok).await;
    });
    assert!(answer.unwrap().is_done());
    assert_eq!(client.identity().unwrap().names, 2);
    let id = CommandId::from_parts(1_763_800_000_000, 5);
    let (answer, ()) = tokio::join!(client.release(ReservationId(id)), async {
        let sent = peer.next().await;
        assert_eq!(sent.header.names, 2);
        refuse_names(&mut peer, &sent, 0x3_0003).await;
        let sent = peer.next().await;
        assert_eq!(sent.header.names, 3);
        peer.answer_all(&sent, Code::Ok).await;
    });
    assert!(answer.unwrap().is_done());
    assert_eq!(client.names_cached(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_callers_own_numbers_do_not_outlive_a_name() {
    // Proves that a number of the caller is not sent again under later names, and that the caller is told.
    let (client, mut peer, _accept) = open().await;
    let cart = Cart::from_stock(StockId(1)).line(SkuId(1), 1);
    let (result, ()) = tokio::join!(client.reserve(&cart), async {
        let sent = peer.next().await;
        refuse_names(&mut peer, &sent, 1).await;
    });
    assert!(matches!(result, Err(CallError::EpochChanged { earlier: None })), "{result:?}");
    assert!(peer.is_quiet().await);
}

#[tokio::test(start_paused = true)]
async fn a_name_that_the_server_does_not_know_is_named() {
    // Proves that an unknown name is an error that contains the name, that nothing is sent, and that the name is
    // resolved again next time.
    let (client, mut peer, _accept) = open().await;
    let (result, ()) = tokio::join!(client.check("NO", "web"), async {
        let asked = peer.next().await;
        peer.numbers(&asked, &[None, Some(1)]).await;
    });
    assert!(matches!(result, Err(CallError::UnknownName(Name::Sku(name))) if name == "NO"));
    let (result, ()) = tokio::join!(client.check("NO", "web"), async {
        let asked = peer.next().await;
        assert_eq!(asked.names().len(), 1, "the stock's number was known");
        peer.numbers(&asked, &[None]).await;
    });
    assert!(matches!(result, Err(CallError::UnknownName(_))));
    assert!(peer.is_quiet().await);
}

#[tokio::test(start_paused = true)]
async fn checks_carry_their_op_and_a_server_may_be_behind_or_busy() {
    // Proves the three answers to a check, and that both `busy` and `behind` are tried again, the latter until the deadline.
    let (client, mut peer, _accept) = open().await;
    let client = client.not_before(77);
    let pair = [(SkuId(1).into(), StockId(2).into())];
    let (checked, ()) = tokio::join!(client.check_many(&pair), async {
        let sent = peer.next().await;
        assert_eq!(sent.header.kind, FrameKind::Checks);
        assert_eq!(sent.body[..8], 77_u64.to_le_bytes());
        peer.outcomes(sent.header.request, &[(0, Outcome::new(Code::Busy, 1, 0))]).await;
        let sent = peer.next().await;
        let mut body = 80_u64.to_le_bytes().to_vec();
        body.extend_from_slice(&30_000_i64.to_le_bytes());
        let mut bytes = Vec::new();
        frame::append(Header::new(FrameKind::Cells, sent.header.request, 1), &body, &mut bytes);
        peer.write(&bytes).await;
    });
    let checked = checked.unwrap();
    assert_eq!(checked.op, 80);
    assert!(matches!(checked.cells[0], Availability::Salable(three) if three.raw() == 30_000));
    let hurried = client.with_deadline(Duration::from_millis(50));
    let mut asked = 0;
    let behind = tokio::select! {
        behind = hurried.check_many(&pair) => behind,
        () = async {
            loop {
                let sent = peer.next().await;
                asked += 1;
                peer.outcomes(sent.header.request, &[(0, Outcome::new(Code::Behind, 0, 60))]).await;
            }
        } => unreachable!("it answers until the deadline"),
    };
    assert!(matches!(behind, Err(CallError::Behind { op: 60, min_op: 77 })));
    assert!(asked > 2, "asked {asked} times");
}
