//! What happens to the bytes between a station and a device, and the relay that does it.

use std::collections::VecDeque;
use std::future::pending;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use link::Decoder;
use prost::Message;
use proto::v1::DeviceMessage;
use rand::RngExt;
use rand::rngs::StdRng;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::{Notify, mpsc};
use tokio::time::sleep;

/// Bytes to send on, and how long to wait before.
pub(crate) type Piece = (Duration, Vec<u8>);

/// Gets each message of the device; returns what the station receives instead.
pub(crate) type Tamper = Box<dyn FnMut(DeviceMessage, &Line) -> Vec<Piece> + Send>;

/// The line of one fixture.
#[derive(Default)]
pub(crate) struct Line {
    /// What a boot loader says when the first byte of the station arrives, by session.
    greetings: Mutex<VecDeque<Vec<u8>>>,
    /// What reaches the device before the first byte of the station, once.
    garbage_for_device: Mutex<Option<Vec<u8>>>,
    noise: Mutex<Option<Noise>>,
    tamper: Mutex<Option<Tamper>>,
    /// Breaks the line once.
    pub(crate) cut: Notify,
    /// The device's side takes nothing any more.
    stalled: AtomicBool,
    /// How many bytes were lost, doubled, changed or invented.
    pub(crate) faults: AtomicU64,
    /// How often the station's side was open.
    pub(crate) sessions: AtomicU64,
}

struct Noise {
    random: StdRng,
    one_in: u32,
}

/// A stream in both directions.
pub(crate) struct Ends {
    pub(crate) reader: Box<dyn AsyncRead + Send + Unpin>,
    pub(crate) writer: Box<dyn AsyncWrite + Send + Unpin>,
}

/// Why a relay ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    Station,
    Device,
    Cut,
}

impl Line {
    pub(crate) fn greet(&self, greeting: Vec<u8>) {
        self.greetings.lock().unwrap().push_back(greeting);
    }

    pub(crate) fn greet_device(&self, garbage: Vec<u8>) {
        *self.garbage_for_device.lock().unwrap() = Some(garbage);
    }

    /// Loses, doubles, changes or invents one byte of so many, and pauses now and then.
    pub(crate) fn disturb(&self, random: StdRng, one_in: u32) {
        *self.noise.lock().unwrap() = Some(Noise { random, one_in });
    }

    pub(crate) fn tamper(&self, tamper: Tamper) {
        *self.tamper.lock().unwrap() = Some(tamper);
    }

    /// The rest that the station sends is not taken.
    pub(crate) fn stall(&self) {
        self.stalled.store(true, Ordering::Relaxed);
    }

    /// Relays one session.
    pub(crate) async fn relay(&self, station: &mut Ends, device: &mut Ends) -> Ended {
        self.sessions.fetch_add(1, Ordering::Relaxed);
        let (to_station, for_station) = mpsc::channel(PIECES_MAX);
        let (to_device, for_device) = mpsc::channel(PIECES_MAX);
        let mut is_first = true;
        let greet = to_station.clone();
        let Ends { reader: station_reader, writer: station_writer } = station;
        let Ends { reader: device_reader, writer: device_writer } = device;
        let from_station = async {
            let mut buffer = [0; CHUNK_BYTES];
            while let Ok(count @ 1..) = station_reader.read(&mut buffer).await {
                let greeting = if std::mem::replace(&mut is_first, false) { self.greeting() } else { None };
                if let Some(greeting) = greeting {
                    greet.send((Duration::ZERO, greeting)).await.ok();
                }
                let garbage = self.garbage_for_device.lock().unwrap().take();
                if let Some(garbage) = garbage {
                    to_device.send((Duration::ZERO, garbage)).await.ok();
                }
                if self.stalled.load(Ordering::Relaxed) {
                    pending::<()>().await;
                }
                for piece in self.disturbed(&buffer[..count]) {
                    to_device.send(piece).await.ok();
                }
            }
        };
        let from_device = async {
            let (mut buffer, mut decoder) = ([0; CHUNK_BYTES], Decoder::new());
            while let Ok(count @ 1..) = device_reader.read(&mut buffer).await {
                for piece in self.tampered(&buffer[..count], &mut decoder) {
                    to_station.send(piece).await.ok();
                }
            }
        };
        tokio::select! {
            () = from_station => Ended::Station,
            () = from_device => Ended::Device,
            () = write(for_station, station_writer) => Ended::Station,
            () = write(for_device, device_writer) => Ended::Device,
            () = self.cut.notified() => Ended::Cut,
        }
    }

    fn greeting(&self) -> Option<Vec<u8>> {
        self.greetings.lock().unwrap().pop_front()
    }

    fn tampered(&self, bytes: &[u8], decoder: &mut Decoder) -> Vec<Piece> {
        let mut tamper = self.tamper.lock().unwrap();
        let Some(tamper) = tamper.as_mut() else { return self.disturbed(bytes) };
        let frames = decoder.push(bytes).flatten();
        frames.flat_map(|payload| tamper(DeviceMessage::decode(payload.as_slice()).unwrap(), self)).collect()
    }

    fn disturbed(&self, bytes: &[u8]) -> Vec<Piece> {
        let mut noise = self.noise.lock().unwrap();
        let Some(Noise { random, one_in }) = noise.as_mut() else {
            return vec![(Duration::ZERO, bytes.to_vec())];
        };
        let (mut passed, mut faults) = (Vec::with_capacity(bytes.len()), 0);
        for byte in bytes {
            let happens = random.random_range(0..*one_in);
            faults += u64::from(happens < 4);
            match happens {
                0 => {}
                1 => passed.extend([*byte, *byte]),
                2 => passed.extend([random.random_range(0..=255_u8), *byte]),
                3 => passed.push(*byte ^ (1_u8 << random.random_range(0..8_u32))),
                _ => passed.push(*byte),
            }
        }
        self.faults.fetch_add(faults, Ordering::Relaxed);
        let pause = match random.random_range(0..100) {
            0 => Duration::from_millis(random.random_range(400..700)),
            1..10 => Duration::from_millis(random.random_range(1..30)),
            _ => Duration::ZERO,
        };
        vec![(pause, passed)]
    }
}

async fn write(mut pieces: mpsc::Receiver<Piece>, writer: &mut (dyn AsyncWrite + Send + Unpin)) {
    while let Some((pause, bytes)) = pieces.recv().await {
        sleep(pause).await;
        if writer.write_all(&bytes).await.is_err() || writer.flush().await.is_err() {
            return;
        }
    }
}

/// A message as a frame, at once.
pub(crate) fn piece(message: &DeviceMessage) -> Piece {
    (Duration::ZERO, link::encode(&message.encode_to_vec()).unwrap())
}

/// A line that passes everything on.
pub(crate) fn clean() -> Arc<Line> {
    Arc::new(Line::default())
}

/// As a UART gives them, more or less.
const CHUNK_BYTES: usize = 256;

const PIECES_MAX: usize = 64;
