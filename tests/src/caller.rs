//! A caller of the CA over mTLS.

use std::net::SocketAddr;
use std::time::Duration;

use proto::v1::enrollment_service_client::EnrollmentServiceClient;
use proto::v1::lifecycle_service_client::LifecycleServiceClient;
use proto::v1::principal_service_client::PrincipalServiceClient;
use proto::v1::product_service_client::ProductServiceClient;
use proto::v1::provisioning_service_client::ProvisioningServiceClient;
use proto::v1::work_order_service_client::WorkOrderServiceClient;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity};

use crate::Credentials;

/// A caller with one connection, opened at the first call and opened again when it broke.
#[derive(Debug, Clone)]
pub struct Caller {
    channel: Channel,
}

impl Caller {
    pub fn new(server: SocketAddr, credentials: &Credentials) -> Self {
        Self { channel: endpoint(server, presenting(credentials)).connect_lazy() }
    }

    /// A caller whose connection holds 64 KiB of unread answers and no more.
    pub fn with_a_small_window(server: SocketAddr, credentials: &Credentials) -> Self {
        let endpoint = endpoint(server, presenting(credentials)).initial_connection_window_size(SMALL_WINDOW);
        Self { channel: endpoint.initial_stream_window_size(SMALL_WINDOW).connect_lazy() }
    }

    /// A caller that trusts the server and shows no certificate.
    pub fn without_certificate(server: SocketAddr, trust: &str) -> Self {
        Self { channel: endpoint(server, trusting(trust)).connect_lazy() }
    }

    pub fn channel(&self) -> Channel {
        self.channel.clone()
    }

    pub fn provisioning(&self) -> ProvisioningServiceClient<Channel> {
        ProvisioningServiceClient::new(self.channel())
    }

    pub fn enrollment(&self) -> EnrollmentServiceClient<Channel> {
        EnrollmentServiceClient::new(self.channel())
    }

    pub fn lifecycle(&self) -> LifecycleServiceClient<Channel> {
        LifecycleServiceClient::new(self.channel())
    }

    pub fn work_orders(&self) -> WorkOrderServiceClient<Channel> {
        WorkOrderServiceClient::new(self.channel())
    }

    pub fn products(&self) -> ProductServiceClient<Channel> {
        ProductServiceClient::new(self.channel())
    }

    pub fn principals(&self) -> PrincipalServiceClient<Channel> {
        PrincipalServiceClient::new(self.channel())
    }
}

fn presenting(credentials: &Credentials) -> ClientTlsConfig {
    let presented = format!("{}{}", credentials.certificate, credentials.chain);
    trusting(&credentials.trust).identity(Identity::from_pem(presented, &credentials.key))
}

fn trusting(anchors: &str) -> ClientTlsConfig {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    ClientTlsConfig::new().ca_certificate(Certificate::from_pem(anchors)).domain_name("localhost")
}

fn endpoint(server: SocketAddr, tls: ClientTlsConfig) -> Endpoint {
    Endpoint::from_shared(format!("https://{server}"))
        .expect("a URL")
        .connect_timeout(CONNECTED_WITHIN)
        .timeout(ANSWERED_WITHIN)
        .tls_config(tls)
        .expect("usable credentials")
}

/// The smallest window of a connection (RFC 9113, section 6.9.2).
const SMALL_WINDOW: u32 = 65_535;

/// Loopback connects at once; a busy machine handshakes slowly.
const CONNECTED_WITHIN: Duration = Duration::from_secs(10);

/// Longer than any call of the suites; without it a lost answer would hang a suite.
const ANSWERED_WITHIN: Duration = Duration::from_secs(30);
