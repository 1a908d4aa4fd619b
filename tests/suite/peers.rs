//! Makes the same call on the writer of PyTorch, tensorboardX, TensorFlow or TensorBoard and on
//! that of tbx, and compares the output field by field. `docs/differences.md` lists the differences
//! and their reasons.

mod calls;
mod cases;
mod compare;
mod document;
mod fields;
mod media;
mod tensor;
mod tensorflow;
mod torch;

use std::collections::BTreeSet;

use tbx::ErrorKind;

use self::cases::{Case, Peer};
use self::compare::compare;
use self::document::{Difference, Row, names};

/// Checks both directions: each difference is documented, and each documented one exists.
#[test]
fn what_differs_from_the_peers_is_what_the_document_says() {
    let peers = Peer::all();
    let rows = Row::all();
    let mut found = BTreeSet::new();
    for peer in &peers {
        found.extend(peer.cases.iter().flat_map(|case| differences(peer, case)));
    }
    let not_stated = found.iter().filter(|found| !rows.iter().any(|row| row.states(found)));
    let mut wrong: Vec<String> =
        not_stated.map(|found| format!("not in the document: {found}")).collect();
    wrong.extend(rows.iter().flat_map(|row| mistakes(row, &peers, &found)));
    assert!(wrong.is_empty(), "{} mistakes\n{}", wrong.len(), wrong.join("\n"));
}

/// The errors in a row of the document.
fn mistakes(row: &Row, peers: &[Peer], found: &BTreeSet<Difference>) -> Vec<String> {
    let mut mistakes = Vec::new();
    for call in &row.calls {
        let mut any = false;
        for peer in peers.iter().filter(|peer| row.peers.contains(&peer.name)) {
            for case in peer.cases.iter().filter(|case| names(call, &case.name)) {
                any = true;
                let mut of_case =
                    found.iter().filter(|found| found.peer == peer.name && found.case == case.name);
                // If one of the programs refused the call, nothing else can be compared.
                let compared =
                    case.written.is_some() && !of_case.clone().any(|found| found.field == REFUSED);
                let must_be = compared || *call == case.name;
                if must_be && !of_case.any(|found| row.states(found)) {
                    mistakes.push(format!("{row}: not so for {}, {}", peer.name, case.name));
                }
            }
        }
        if !any {
            mistakes.push(format!("{row}: there is no {call}"));
        }
    }
    mistakes
}

/// The field in which only one of the two fails.
const REFUSED: &str = "refused";

fn differences(peer: &Peer, case: &Case) -> Vec<Difference> {
    let ours = calls::written(case);
    if let Err(error) = &ours {
        assert!(matches!(error.kind(), ErrorKind::Argument(_)), "{}: {error}", case.name);
    }
    let found = match (&case.written, &ours) {
        (Some(theirs), Ok(ours)) => compare(theirs, ours),
        (None, Err(_)) => vec![],
        (None, Ok(_)) => vec![(REFUSED.into(), "yes".into(), "no".into())],
        (Some(_), Err(_)) => vec![(REFUSED.into(), "no".into(), "yes".into())],
    };
    let difference = |(field, theirs, ours)| {
        let (peer, case) = (peer.name.clone(), case.name.clone());
        Difference { peer, case, field, theirs, ours }
    };
    found.into_iter().map(difference).collect()
}

/// Calls that write different bytes must show a difference, except for images, whose bytes can
/// differ for the same pixels.
#[test]
fn calls_that_differ_are_seen_to_differ() {
    for peer in Peer::all() {
        let cases = peer.cases.iter().filter(|case| !case.name.contains("image"));
        let cases: Vec<_> = cases.filter_map(|case| Some((case, case.written.as_ref()?))).collect();
        for (case, written) in &cases {
            assert_eq!(compare(written, written), [], "{} {}", peer.name, case.name);
        }
        for ((first, one), (second, other)) in cases.iter().zip(cases.iter().skip(1)) {
            let differs = one.runs != other.runs || one.files != other.files;
            let (first, second) = (&first.name, &second.name);
            assert_eq!(
                !compare(one, other).is_empty(),
                differs,
                "{}: {first}, {second}",
                peer.name
            );
        }
    }
}
