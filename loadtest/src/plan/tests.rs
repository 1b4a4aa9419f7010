use clap::Parser;

use super::*;

fn plan(arguments: &str) -> Result<Plan, Failure> {
    let all = std::iter::once("tern-loadtest").chain(arguments.split_whitespace());
    Plan::new(&Cli::try_parse_from(all).expect("arguments"))
}

const SERVER: &str = "--server 127.0.0.1 --user ann --password opensesame";

fn steady(more: &str) -> Result<Plan, Failure> {
    plan(&format!("steady {SERVER} {more}"))
}

fn refusal(result: Result<Plan, Failure>) -> String {
    let failure = result.unwrap_err();
    assert_eq!(failure.exit, crate::failure::Exit::Usage);
    failure.text
}

#[test]
fn few_words_make_a_plan() {
    let plan = steady("").unwrap();
    assert_eq!(plan.target().unwrap().address, "127.0.0.1:3478".parse::<std::net::SocketAddr>().unwrap());
    assert_eq!((plan.load.sessions, plan.load.profile), (10, Profile::OPUS));
    assert_eq!((plan.load.direction, plan.load.carriage), (Direction::Both, Carriage::Channel));
    assert_eq!(plan.mode, Mode::Steady);
}

#[test]
fn a_shared_secret_makes_credentials_that_outlast_the_test() {
    let plan = plan("steady --server 127.0.0.1 --secret hunter2hunter2hunter2 --user ann").unwrap();
    let credentials = &plan.target().unwrap().credentials;
    let (expiry, user) = credentials.user.split_once(':').unwrap();
    assert_eq!(user, "ann");
    assert!(expiry.parse::<u64>().unwrap() > crate::clock::unix_seconds() + 24 * 3600);
    assert!(!format!("{plan:?}").contains(&credentials.password));
}

#[test]
fn what_contradicts_itself_is_refused_in_a_sentence() {
    assert!(refusal(plan("steady --server 127.0.0.1")).contains("--secret"));
    assert!(refusal(steady("--sessions 0")).contains("--sessions"));
    assert!(refusal(steady("--duration 0")).contains("--duration"));
    assert!(refusal(steady("--sessions 1 --relay-to-relay")).contains("--relay-to-relay"));
    assert!(refusal(steady("--source ::1")).contains("families"));
    assert!(refusal(steady("--server 127.0.0.2")).contains("compare"));
    assert!(refusal(plan(&format!("compare {SERVER}"))).contains("two servers"));
    assert!(refusal(steady("--pid 4294967295")).contains("no process"));
    assert!(refusal(steady("--client-netns nobody-has-made-this")).contains("namespace"));
    assert!(refusal(plan(&format!("knee {SERVER} --from 5k --to 1k"))).contains("--from"));
}

#[test]
fn several_servers_share_credentials_or_have_their_own() {
    let base = "compare --server a=127.0.0.1 --server b=127.0.0.2";
    let shared = plan(&format!("{base} --user ann --password x")).unwrap();
    assert!(shared.targets.iter().all(|target| target.credentials.user == "ann"));
    let own = plan(&format!("{base} --user ann --password x --user ben --password y")).unwrap();
    assert_eq!(own.targets[1].credentials.password, "y");
    let three = format!("{base} --server c=127.0.0.3 --user ann --user ben --password x");
    assert!(refusal(plan(&three)).contains("one each"));
}
