//! Every cell of the table, and what makes a gate stricter.

use super::*;

fn input(confidence: f64) -> GateInput {
    GateInput {
        severity: Severity::High,
        confidence: Confidence::clamped(confidence),
        internal: false,
        critical: false,
        reversibility: Reversibility::SelfExpiring,
        spoofable: false,
        mode: Mode::Act,
        stage: Stage::Primary,
        detectors: 1,
    }
}

const AUTO: Gate = Gate::Auto;
const RATIFY: Gate = Gate::Ratify { seconds: 900 };
const VETO: Gate = Gate::Veto { seconds: 120 };

#[test]
fn every_cell_of_the_table() {
    let rows = [
        (1.0, [AUTO, RATIFY, VETO, approve(1)]),
        (0.90, [AUTO, RATIFY, VETO, approve(1)]),
        (0.8999, [AUTO, VETO, approve(1), approve(2)]),
        (0.70, [AUTO, VETO, approve(1), approve(2)]),
        (0.6999, [approve(1), approve(1), approve(2), Gate::Deny]),
        (0.50, [approve(1), approve(1), approve(2), Gate::Deny]),
        (0.4999, [Gate::Deny; 4]),
        (0.0, [Gate::Deny; 4]),
    ];
    for (confidence, expected) in rows {
        let external = input(confidence);
        let internal = GateInput {
            internal: true,
            ..external
        };
        let critical = GateInput {
            critical: true,
            ..internal
        };
        let irreversible = GateInput {
            reversibility: Reversibility::Irreversible,
            ..external
        };
        let gates = [external, internal, critical, irreversible].map(|input| matrix(input).0);
        assert_eq!(gates, expected, "{confidence}");
    }
}

#[test]
fn between_50_and_70_percent_only_the_reflex_acts_by_itself() {
    let reflex = GateInput {
        stage: Stage::Reflex,
        ..input(0.6)
    };
    assert_eq!(matrix(reflex).0, Gate::Auto);
    assert_eq!(
        matrix(GateInput {
            internal: true,
            ..reflex
        })
        .0,
        approve(1)
    );
}

#[test]
fn certainty_about_something_mild_is_not_the_first_row() {
    let mild = GateInput {
        severity: Severity::Medium,
        internal: true,
        ..input(0.99)
    };
    assert_eq!(matrix(mild).0, VETO);
}

#[test]
fn records_that_anyone_could_have_written_never_act_by_themselves() {
    for confidence in [0.55, 0.75, 0.95] {
        for stage in [Stage::Reflex, Stage::Primary, Stage::Secondary] {
            for internal in [false, true] {
                let spoofable = GateInput {
                    spoofable: true,
                    stage,
                    internal,
                    ..input(confidence)
                };
                assert!(matches!(matrix(spoofable).0, Gate::Approve { .. }));
            }
        }
    }
    let (_, why) = matrix(GateInput {
        spoofable: true,
        ..input(0.95)
    });
    let text = "95 % sure, severity high, external target, ends by itself; \
                anyone could have written these records";
    assert_eq!(why, text);
}

#[test]
fn the_second_stage_needs_two_detectors_or_a_person() {
    let second = GateInput {
        stage: Stage::Secondary,
        ..input(0.95)
    };
    assert_eq!(matrix(second).0, approve(1));
    assert_eq!(
        matrix(GateInput {
            detectors: 2,
            ..second
        })
        .0,
        Gate::Auto
    );
}

#[test]
fn modes_ask_waits_and_observe_decides_as_act() {
    let ask = GateInput {
        mode: Mode::Ask,
        ..input(0.95)
    };
    assert_eq!(matrix(ask).0, approve(1));
    let two = GateInput {
        reversibility: Reversibility::Irreversible,
        confidence: Confidence::clamped(0.8),
        ..ask
    };
    assert_eq!(matrix(two).0, approve(2));
    assert_eq!(
        matrix(GateInput {
            confidence: Confidence::ZERO,
            ..ask
        })
        .0,
        Gate::Deny
    );
    for confidence in [0.2, 0.6, 0.8, 0.95] {
        let act = input(confidence);
        assert_eq!(
            matrix(GateInput {
                mode: Mode::Observe,
                ..act
            }),
            matrix(act)
        );
    }
}

#[test]
fn an_automatic_effect_is_short_unless_we_are_certain() {
    assert_eq!(ttl_limit(input(0.8)).map(Ttl::seconds), Some(3600));
    assert_eq!(ttl_limit(input(0.95)), None);
    assert_eq!(
        ttl_limit(GateInput {
            internal: true,
            ..input(0.8)
        }),
        None
    ); // a veto window
}

#[test]
fn an_author_can_only_ask_for_more() {
    let gates = [AUTO, RATIFY, VETO, approve(1), approve(2), Gate::Deny];
    for (index, mild) in gates.iter().enumerate() {
        for strict in &gates[index..] {
            assert_eq!(stricter(*mild, *strict), *strict);
            assert_eq!(stricter(*strict, *mild), *strict);
        }
    }
    let (long, short) = (Gate::Veto { seconds: 300 }, Gate::Veto { seconds: 30 });
    assert_eq!(stricter(short, long), long);
}
