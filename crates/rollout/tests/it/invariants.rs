//! The planner under random commands and faults. The world checks every plan; here only the story is made.

use crate::world::{Behaviour, Opinion, World};
use proptest::prelude::*;
use shipway_rollout::delivery::{Command, Phase, Stage};
use std::time::Duration;

#[derive(Clone, Debug)]
enum Deed {
    Wait(u64),
    Deploy(usize),
    Promote(bool),
    Pause,
    Resume,
    Abort,
    Retry,
    Undo,
    Kill(usize),
    Down(usize, bool),
    Restart,
    Think(usize, Opinion),
    Behave(usize, u8),
    LoseActions(u32),
    Serve(u64),
    Quiet(bool),
    StickRouter(bool),
}

const VERSIONS: [&str; 4] = ["v1", "v2", "v3", "v4"];

fn deed() -> impl Strategy<Value = Deed> {
    prop_oneof![
        6 => (100_u64..4_000).prop_map(Deed::Wait),
        3 => (0_usize..4).prop_map(Deed::Deploy),
        1 => any::<bool>().prop_map(Deed::Promote),
        1 => Just(Deed::Pause),
        1 => Just(Deed::Resume),
        1 => Just(Deed::Abort),
        1 => Just(Deed::Retry),
        1 => Just(Deed::Undo),
        2 => (0_usize..12).prop_map(Deed::Kill),
        3 => ((0_usize..12), any::<bool>()).prop_map(|(which, down)| Deed::Down(which, down)),
        1 => Just(Deed::Restart),
        2 => ((0_usize..4), 0_u8..4).prop_map(|(version, opinion)| Deed::Think(version, match opinion {
            0 => Opinion::Healthy,
            1 => Opinion::Regressed,
            2 => Opinion::Inconclusive,
            _ => Opinion::NotYet,
        })),
        1 => ((0_usize..4), 0_u8..5).prop_map(|(version, how)| Deed::Behave(version, how)),
        1 => (1_u32..4).prop_map(Deed::LoseActions),
        1 => (1_u64..1_000).prop_map(Deed::Serve),
        2 => any::<bool>().prop_map(Deed::Quiet),
        1 => any::<bool>().prop_map(Deed::StickRouter),
    ]
}

fn behaviour(how: u8) -> Behaviour {
    match how {
        0 => Behaviour::NeverReady,
        1 => Behaviour::Dies(Duration::from_millis(400), 1),
        2 => Behaviour::CannotStart,
        3 => Behaviour::Healthy(Duration::from_millis(2_500)),
        _ => Behaviour::Healthy(Duration::from_millis(100)),
    }
}

fn perform(world: &mut World, deed: &Deed) {
    let by = || "ada".to_owned();
    let rollout = world.next_id();
    let pick = |world: &World, which: usize| {
        let running = world.all_running();
        (!running.is_empty()).then(|| running[which % running.len()].clone())
    };
    let command = match deed {
        Deed::Wait(millis) => {
            world.run(Duration::from_millis(*millis));
            return;
        }
        Deed::Kill(which) => {
            if let Some(id) = pick(world, *which) {
                world.kill(&id);
            }
            return;
        }
        Deed::Down(which, down) => {
            if let Some(id) = pick(world, *which) {
                world.set_down(&id, *down);
            }
            return;
        }
        Deed::Restart => {
            world.restart();
            return;
        }
        Deed::Think(version, opinion) => {
            world.opinions.insert(VERSIONS[*version].to_owned(), *opinion);
            return;
        }
        Deed::Behave(version, how) => {
            world.behaviours.insert(VERSIONS[*version].to_owned(), behaviour(*how));
            return;
        }
        Deed::LoseActions(count) => {
            world.lose_actions = *count;
            return;
        }
        Deed::Quiet(quiet) => {
            world.quiet = *quiet;
            return;
        }
        Deed::StickRouter(stuck) => {
            world.stuck_router = *stuck;
            return;
        }
        Deed::Serve(requests) => {
            world.serve(*requests, 0);
            return;
        }
        Deed::Deploy(version) => {
            Command::Deploy { rollout, release: world.release(VERSIONS[*version]), by: by() }
        }
        Deed::Promote(full) => Command::Promote { full: *full, step: None, by: by() },
        Deed::Pause => Command::Pause { by: by() },
        Deed::Resume => Command::Resume { by: by() },
        Deed::Abort => Command::Abort { by: by(), reason: None },
        Deed::Retry => Command::Retry { rollout, by: by() },
        Deed::Undo => Command::Undo { rollout, to: None, by: by() },
    };
    // A refusal is a fine answer to a random command; that it changes nothing is checked by the world's replay.
    let _refused = world.command(&command).is_err();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn promises_hold_under_any_commands_and_faults(deeds in proptest::collection::vec(deed(), 1..60)) {
        let mut world = World::new();
        for deed in &deeds {
            perform(&mut world, deed);
        }
        // Then everything is well again, and what was last deployed goes live or has been given up.
        world.lose_actions = 0;
        world.stuck_router = false;
        world.behaviours.clear();
        world.opinions.clear();
        for id in world.all_running() {
            world.set_down(&id, false);
        }
        let _nothing_was_paused = world.command(&Command::Resume { by: "ada".to_owned() }).is_err();
        world.run(Duration::from_secs(120));
        if let Some(rollout) = &world.delivery.rollout {
            let finished = matches!(rollout.phase, Phase::Finished { .. });
            prop_assert!(finished, "{:?}\n{}", rollout.phase, world.transcript);
        }
        let retired = world.delivery.instances.values().any(|one| matches!(one.stage, Stage::Retired { .. }));
        prop_assert!(!retired, "an instance was never stopped\n{}", world.transcript);
        let expect = if world.delivery.stable.is_some() { 3 } else { 0 };
        prop_assert_eq!(world.all_running().len(), expect, "{}", world.transcript);
        if let Some(stable) = world.stable() {
            prop_assert_eq!(world.serving(), format!("{stable} 100"));
        }
    }
}
