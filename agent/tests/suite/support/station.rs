//! The other end of the factory link: asks, with no opinion of its own.

use std::io::{Read, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use prost::Message;
use proto::v1;
use proto::v1::device_message::Response;
use proto::v1::station_message::Request;

use super::issuers::Issued;

/// The real program in factory mode, on a pipe.
pub struct Bench {
    pub child: Child,
    input: Option<ChildStdin>,
    output: ChildStdout,
    decoder: link::Decoder,
    exchange: u32,
}

impl Bench {
    pub fn start(state: &Path) -> Self {
        Self::start_with(state, &[])
    }

    pub fn start_with(state: &Path, more: &[&str]) -> Self {
        let mut child = agent()
            .args(["factory", "--stdio", "--state"])
            .arg(state)
            .args(more)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let (input, output) = (child.stdin.take(), child.stdout.take().unwrap());
        Self { child, input, output, decoder: link::Decoder::new(), exchange: 0 }
    }

    /// Asks the next question and waits for its answer.
    pub fn ask(&mut self, request: Request) -> Response {
        self.exchange += 1;
        let question =
            v1::StationMessage { exchange: self.exchange, request: Some(request), from_station: true }
                .encode_to_vec();
        let answer = v1::DeviceMessage::decode(self.exchange_bytes(&question).as_slice()).unwrap();
        assert_eq!(answer.exchange, self.exchange);
        answer.response.unwrap()
    }

    /// Sends one payload and returns the payload that comes back.
    pub fn exchange_bytes(&mut self, payload: &[u8]) -> Vec<u8> {
        self.send_raw(&link::encode(payload).unwrap());
        self.receive()
    }

    pub fn send_raw(&mut self, bytes: &[u8]) {
        let input = self.input.as_mut().unwrap();
        input.write_all(bytes).unwrap();
        input.flush().unwrap();
    }

    pub fn receive(&mut self) -> Vec<u8> {
        let mut buffer = [0; 1024];
        loop {
            let count = self.output.read(&mut buffer).unwrap();
            assert_ne!(count, 0, "the agent ended without an answer");
            if let Some(frame) = self.decoder.push(&buffer[..count]).next() {
                return frame.unwrap().to_vec();
            }
        }
    }

    pub fn hello(&mut self, product: &str, serial: &str) -> Response {
        self.ask(Request::Hello(v1::Hello {
            protocol_version: 1,
            assigned_serial: serial.to_owned(),
            product: product.to_owned(),
            withdrawn_serials: Vec::new(),
        }))
    }

    pub fn generate_key(&mut self) -> Response {
        self.ask(Request::GenerateKey(v1::GenerateKey { key_type: "p256".to_owned() }))
    }

    pub fn csr(&mut self) -> Vec<u8> {
        match self.generate_key() {
            Response::GenerateKey(response) => response.csr.to_vec(),
            other => panic!("{other:?}"),
        }
    }

    pub fn install(&mut self, credential: &Issued, url: &str) -> Response {
        self.ask(Request::Install(v1::Install {
            certificate: credential.certificate.clone().into(),
            chain: credential.chain.iter().cloned().map(Into::into).collect(),
            trust_bundle: Some(v1::TrustBundle {
                version: 1,
                anchors: credential.anchors.iter().cloned().map(Into::into).collect(),
            }),
            enrollment_url: url.to_owned(),
        }))
    }

    pub fn read_back(&mut self, nonce: [u8; 32]) -> Response {
        self.ask(Request::ReadBack(v1::ReadBack { nonce: nonce.to_vec().into() }))
    }

    pub fn lock(&mut self) -> Response {
        self.ask(Request::Lock(v1::Lock {}))
    }

    /// Closes the link and returns the exit status.
    pub fn close(mut self) -> Option<i32> {
        self.input = None;
        self.child.wait().unwrap().code()
    }

    /// SIGKILL.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

pub fn agent() -> Command {
    Command::new(env!("CARGO_BIN_EXE_touchmark-agent"))
}

/// The code of a fault, and a panic for any other answer.
pub fn fault(response: &Response) -> v1::DeviceFaultCode {
    match response {
        Response::Fault(fault) => fault.code(),
        other => panic!("expected a fault, not {other:?}"),
    }
}

/// How far the device says it is.
pub fn step(response: &Response) -> v1::FactoryStep {
    match response {
        Response::Hello(hello) => hello.step(),
        other => panic!("expected hello, not {other:?}"),
    }
}
