//! A fixture of a line: what a station's slot opens, a line, and a board with the real agent.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tests::{Process, Program, eventually};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, Command};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

use crate::line::{Ended, Ends, Line, clean};
use crate::pty::Cable;

/// A driver of the station's, with the agent's way to answer it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wire {
    Exec,
    Tcp,
    Serial,
}

pub(crate) const WIRES: [Wire; 3] = [Wire::Exec, Wire::Tcp, Wire::Serial];

/// Fixtures of slots 1, 2, …, each with one board.
pub(crate) struct Fixtures {
    pub(crate) wire: Wire,
    /// `--link` of the station.
    pub(crate) link: String,
    pub(crate) lines: Vec<Arc<Line>>,
    /// The state directories of the boards.
    pub(crate) boards: Vec<PathBuf>,
    agents: Vec<Arc<Mutex<Process>>>,
    relays: Vec<JoinHandle<()>>,
}

impl Fixtures {
    pub(crate) async fn new(wire: Wire, slots: usize, home: &Path) -> Self {
        let home = tempfile::Builder::new().prefix("fixtures-").tempdir_in(home).unwrap().keep();
        let boards = (1..=slots).map(|slot| home.join(format!("board-{slot}"))).collect();
        let lines = (1..=slots).map(|_| clean()).collect();
        let mut fixtures =
            Self { wire, link: String::new(), lines, boards, agents: Vec::new(), relays: Vec::new() };
        match wire {
            Wire::Exec => fixtures.over_exec(&home).await,
            Wire::Tcp => fixtures.over_tcp().await,
            Wire::Serial => fixtures.over_serial(&home).await,
        }
        fixtures
    }

    /// Each agent that runs by itself has ended by itself, because its unit is locked.
    pub(crate) async fn boards_are_done(&mut self) {
        for agent in std::mem::take(&mut self.agents) {
            let wait = move || agent.lock().unwrap().wait(DONE_WITHIN);
            let ended = tokio::task::spawn_blocking(wait).await.unwrap();
            assert!(ended.expect("a locked unit ends").success());
        }
    }

    pub(crate) fn faults(&self) -> u64 {
        self.lines.iter().map(|line| line.faults.load(std::sync::atomic::Ordering::Relaxed)).sum()
    }

    async fn over_exec(&mut self, home: &Path) {
        // Connects its standard input and output with the fixture. The first direction that ends ends it.
        let script = home.join("connect.sh");
        let content = "exec 3<>/dev/tcp/127.0.0.1/$(cat \"$1\") 4<&0\n\
                       cat <&4 >&3 & cat <&3 & wait -n\nkill $(jobs -p) 2>/dev/null\n";
        fs::write(&script, content).unwrap();
        for (at, line) in self.lines.iter().enumerate() {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let port = listener.local_addr().unwrap().port();
            fs::write(home.join(format!("slot-{}", at + 1)), port.to_string()).unwrap();
            let (line, board) = (Arc::clone(line), self.boards[at].clone());
            self.relays.push(tokio::spawn(async move {
                loop {
                    let mut station = ends_of(listener.accept().await.unwrap().0);
                    let (_agent, mut device) = agent_on_pipes(&board);
                    line.relay(&mut station, &mut device).await;
                }
            }));
        }
        self.link = format!("exec:bash '{}' '{}'", script.display(), home.join("slot-{slot}").display());
    }

    async fn over_tcp(&mut self) {
        let (port, listeners) = listeners(self.lines.len()).await;
        for (at, listener) in listeners.into_iter().enumerate() {
            let address = free_address().await;
            let (line, board) = (Arc::clone(&self.lines[at]), self.boards[at].clone());
            let agent = Arc::new(Mutex::new(start_agent(&board, "--tcp", &address)));
            self.agents.push(Arc::clone(&agent));
            self.relays.push(tokio::spawn(async move {
                loop {
                    let mut station = ends_of(listener.accept().await.unwrap().0);
                    {
                        // A locked unit has ended; somebody switches it on again.
                        let mut agent = agent.lock().unwrap();
                        if agent.wait(Duration::ZERO).is_some() {
                            *agent = start_agent(&board, "--tcp", &address);
                        }
                    }
                    let Some(device) = connected(&address).await else { continue };
                    line.relay(&mut station, &mut ends_of(device)).await;
                }
            }));
        }
        self.link = format!("tcp:127.0.0.{{slot}}:{port}");
    }

    async fn over_serial(&mut self, home: &Path) {
        for at in 0..self.lines.len() {
            let (near, far) = (Cable::new(), Cable::new());
            let name = home.join(format!("port-{}", at + 1));
            symlink(&near.path, &name).unwrap();
            let agent = start_agent(&self.boards[at], "--tty", &format!("{}:115200", far.path.display()));
            // It drops what was received before it has opened its port.
            let id = agent.id();
            self.agents.push(Arc::new(Mutex::new(agent)));
            let opened = || async { has_open(id, &far.path).then_some(()) };
            eventually(Duration::from_secs(20), "the agent has its port", opened).await;
            let line = Arc::clone(&self.lines[at]);
            self.relays.push(tokio::spawn(async move {
                let (mut device, _held) = far.plug();
                let mut near = Some(near);
                loop {
                    let (mut station, held) = near.take().unwrap_or_else(Cable::new).plug();
                    if line.relay(&mut station, &mut device).await != Ended::Cut {
                        return;
                    }
                    // It is pulled out, and comes back with another number.
                    drop((station, held));
                    fs::remove_file(&name).unwrap();
                    sleep(AWAY).await;
                    let again = Cable::new();
                    symlink(&again.path, &name).unwrap();
                    near = Some(again);
                }
            }));
        }
        self.link = format!("serial:{}:115200", home.join("port-{slot}").display());
    }
}

impl Drop for Fixtures {
    fn drop(&mut self) {
        self.relays.iter().for_each(JoinHandle::abort);
    }
}

pub(crate) fn ends_of(stream: TcpStream) -> Ends {
    stream.set_nodelay(true).unwrap();
    let (reader, writer) = stream.into_split();
    Ends { reader: Box::new(reader), writer: Box::new(writer) }
}

fn start_agent(board: &Path, how: &str, address: &str) -> Process {
    let mut agent = Program::Agent.command();
    agent.args(["factory", how, address, "--state"]).arg(board);
    Process::start(agent.stdin(Stdio::null()).stderr(Stdio::null()))
}

/// Listeners at 127.0.0.1, 127.0.0.2, … with one port.
pub(crate) async fn listeners(count: usize) -> (u16, Vec<TcpListener>) {
    for _ in 0..TRIES {
        let first = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = first.local_addr().unwrap().port();
        let mut all = vec![first];
        for last in 2..=count {
            all.extend(TcpListener::bind(("127.0.0.".to_owned() + &last.to_string(), port)).await.ok());
        }
        if all.len() == count {
            return (port, all);
        }
    }
    panic!("no port is free at {count} addresses")
}

async fn free_address() -> String {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().to_string()
}

/// A connection to an agent; `None` when its unit is locked and it has ended.
async fn connected(address: &str) -> Option<TcpStream> {
    let end = Instant::now() + Duration::from_secs(10);
    while Instant::now() < end {
        if let Ok(stream) = TcpStream::connect(address).await {
            return Some(stream);
        }
        sleep(Duration::from_millis(10)).await;
    }
    None
}

fn has_open(process: u32, path: &Path) -> bool {
    let Ok(descriptors) = fs::read_dir(format!("/proc/{process}/fd")) else { return false };
    descriptors
        .flatten()
        .any(|descriptor| fs::read_link(descriptor.path()).is_ok_and(|target| target == path))
}

pub(crate) fn agent_on_pipes(board: &Path) -> (Child, Ends) {
    let mut agent = Program::Agent.command();
    agent.args(["factory", "--stdio", "--state"]).arg(board);
    let mut agent = Command::from(agent);
    agent.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).kill_on_drop(true);
    let mut agent = agent.spawn().unwrap();
    let (writer, reader) = (agent.stdin.take().unwrap(), agent.stdout.take().unwrap());
    (agent, Ends { reader: Box::new(reader), writer: Box::new(writer) })
}

/// How long a port that was pulled out is away.
const AWAY: Duration = Duration::from_millis(700);

/// A locked unit waits 5 s for a station that missed its answer.
const DONE_WITHIN: Duration = Duration::from_secs(30);

const TRIES: usize = 20;
