//! The actuator against a real kernel, each test in a network namespace of its own.

mod world;

use event::actuate::OperationResult;
use world::{Actuator, Namespace, absent, block, id_of, present};

#[test]
#[ignore = "needs root: run by cargo xtask test"]
fn a_block_stands_is_read_back_and_goes() {
    let namespace = Namespace::new();
    let mut actuator = Actuator::start(&namespace);
    actuator.generation();
    let before = namespace.ruleset();
    for target in ["203.0.113.7", "2001:db8::7"] {
        let result = actuator.one(present(block(target), 60));
        let OperationResult::Present { expires_s, shown } = result else {
            panic!("{result:?}");
        };
        assert!((59..=60).contains(&expires_s));
        assert!(shown.contains(target), "{shown}");
        assert!(
            namespace
                .ruleset()
                .contains(&id_of(&block(target)).to_string())
        );
        assert_eq!(actuator.one(absent(block(target))), OperationResult::Absent);
        assert_eq!(actuator.one(absent(block(target))), OperationResult::Absent);
    }
    assert_eq!(namespace.ruleset(), before);
}
