//! The gRPC methods that the server has.

use std::collections::HashMap;
use std::sync::Arc;

use prost::Message;

pub(super) struct Methods {
    known: HashMap<Box<str>, Method>,
    unknown: Method,
}

#[derive(Clone)]
pub(super) struct Method {
    pub(super) path: Arc<str>,
    pub(super) kind: Kind,
    /// Whether it may be called without a certificate, as health may.
    pub(super) open: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Unary,
    /// The client, and perhaps the server too.
    ClientStreaming,
    ServerStreaming,
}

impl Methods {
    pub(super) fn of(descriptor_sets: &[&[u8]]) -> Result<Self, prost::DecodeError> {
        let mut known = HashMap::new();
        for set in descriptor_sets {
            for file in prost_types::FileDescriptorSet::decode(*set)?.file {
                for service in &file.service {
                    let service_name = format!("{}.{}", file.package(), service.name());
                    for method in &service.method {
                        let path = format!("/{service_name}/{}", method.name());
                        let method = Method {
                            path: path.as_str().into(),
                            kind: match (method.client_streaming(), method.server_streaming()) {
                                (true, _) => Kind::ClientStreaming,
                                (false, true) => Kind::ServerStreaming,
                                (false, false) => Kind::Unary,
                            },
                            open: service_name == HEALTH_SERVICE,
                        };
                        known.insert(path.into(), method);
                    }
                }
            }
        }
        let unknown = Method { path: "unknown".into(), kind: Kind::Unary, open: false };
        Ok(Self { known, unknown })
    }

    pub(super) fn named(&self, path: &str) -> &Method {
        self.known.get(path).unwrap_or(&self.unknown)
    }
}

const HEALTH_SERVICE: &str = "grpc.health.v1.Health";
