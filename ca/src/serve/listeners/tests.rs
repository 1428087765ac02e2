use parking_lot::Mutex;
use std::time::Duration;

use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Code;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;
use tonic_reflection::pb::v1::ServerReflectionRequest;
use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
use tonic_types::StatusExt;

use super::*;
use crate::http::metrics::Figures;
use crate::serve::health::Health;
use crate::serve::open::tests::opened;

/// A front with health and reflection only, over what `init` made.
struct Fixture {
    dir: tempfile::TempDir,
    grpc: SocketAddr,
    metrics: Arc<Metrics>,
    stop: CancellationToken,
    serving: Mutex<Option<JoinHandle<()>>>,
}

impl Fixture {
    async fn start(change: impl FnOnce(&mut Limits)) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (mut settings, opened) = opened(dir.path()).await;
        change(&mut settings.limits);
        let metrics = Arc::new(Metrics::new(Arc::new(Figures::default)));
        let stop = CancellationToken::new();
        let health = Health::new(Arc::new(|| Ok(()))).unwrap();
        let quota = PerClientQuota::new(settings.limits.connections_max, settings.limits.requests_max);
        let services = Services {
            authority: Arc::clone(&opened.authority),
            quota: Arc::clone(&quota),
            routes: health.routes().unwrap(),
            metrics_http: MetricsHttp::new(Arc::clone(&metrics), Arc::new(|| Ok(()))),
            calls: CallLayer::new(
                Arc::clone(&metrics),
                quota,
                &[tonic_health::pb::FILE_DESCRIPTOR_SET, tonic_reflection::pb::v1::FILE_DESCRIPTOR_SET],
                stop.clone(),
            )
            .unwrap(),
            metrics: Arc::clone(&metrics),
        };
        let listeners = Listeners::bind(&settings).await.unwrap();
        let (grpc, _) = listeners.addresses().unwrap();
        let (tls, token) = (opened.server.config(), stop.clone());
        let serving = tokio::spawn(async move {
            let mut tasks = Tasks::new(token.clone());
            listeners.run(tls, services, &mut tasks, token, CancellationToken::new()).await;
        });
        tokio::spawn(health.report(stop.clone()));
        Self { dir, grpc, metrics, stop, serving: Mutex::new(Some(serving)) }
    }

    fn read(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.dir.path().join("ca").join(name)).unwrap()
    }

    fn endpoint(&self, identity: Option<Identity>) -> Endpoint {
        let root = Certificate::from_pem(self.read("server/trust.pem"));
        let mut tls = ClientTlsConfig::new().ca_certificate(root).domain_name("localhost");
        if let Some(identity) = identity {
            tls = tls.identity(identity);
        }
        Endpoint::from_shared(format!("https://{}", self.grpc)).unwrap().tls_config(tls).unwrap()
    }

    fn operator(&self) -> Identity {
        let mut chain = self.read("operators/admin/cert.pem");
        chain.extend(self.read("operators/admin/chain.pem"));
        Identity::from_pem(chain, self.read("operators/admin/key.pem"))
    }

    async fn anonymous(&self) -> Channel {
        self.endpoint(None).connect().await.unwrap()
    }

    async fn known(&self) -> Channel {
        self.endpoint(Some(self.operator())).connect().await.unwrap()
    }

    fn counted(&self, line: &str) -> bool {
        self.metrics.text().unwrap().lines().any(|counted| counted == line)
    }

    async fn until_counted(&self, line: &str) {
        let seen = tokio::time::timeout(Duration::from_secs(20), async {
            while !self.counted(line) {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        });
        seen.await.unwrap_or_else(|_| panic!("{line} is not in\n{}", self.metrics.text().unwrap()));
    }
}

async fn healthy(channel: Channel) -> Result<(), tonic::Status> {
    HealthClient::new(channel).check(HealthCheckRequest::default()).await.map(|_| ())
}

#[tokio::test]
async fn health_needs_no_certificate_and_reflection_does() {
    let fixture = Fixture::start(|_| ()).await;
    healthy(fixture.anonymous().await).await.unwrap();
    healthy(fixture.known().await).await.unwrap();
    let ask = || tokio_stream::iter([ServerReflectionRequest::default()]);
    let refused = ServerReflectionClient::new(fixture.anonymous().await).server_reflection_info(ask()).await;
    let refused = refused.unwrap_err();
    assert_eq!(refused.code(), Code::Unauthenticated);
    assert_eq!(refused.get_details_error_info().unwrap().reason, "CLIENT_CERTIFICATE_REQUIRED");
    ServerReflectionClient::new(fixture.known().await).server_reflection_info(ask()).await.unwrap();
    fixture
        .until_counted("touchmark_rpcs_total{method=\"/grpc.health.v1.Health/Check\",code=\"OK\"} 2")
        .await;
}

#[tokio::test]
async fn a_call_has_an_id_that_its_caller_sees() {
    let fixture = Fixture::start(|_| ()).await;
    let answer = HealthClient::new(fixture.known().await).check(HealthCheckRequest::default()).await.unwrap();
    assert_eq!(answer.metadata().get("touchmark-call-id").unwrap().len(), 16);
}

#[tokio::test]
async fn an_unknown_method_is_counted_without_its_name() {
    let fixture = Fixture::start(|_| ()).await;
    let mut grpc = tonic::client::Grpc::new(fixture.known().await);
    grpc.ready().await.unwrap();
    let codec: tonic_prost::ProstCodec<HealthCheckRequest, HealthCheckRequest> =
        tonic_prost::ProstCodec::default();
    let path = http::uri::PathAndQuery::from_static("/made.up/Name");
    let refused =
        grpc.unary(tonic::Request::new(HealthCheckRequest::default()), path, codec).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unimplemented);
    fixture.until_counted("touchmark_rpcs_total{method=\"unknown\",code=\"UNIMPLEMENTED\"} 1").await;
    assert!(!fixture.metrics.text().unwrap().contains("made.up"));
}

#[tokio::test]
async fn a_certificate_of_another_root_is_refused_in_the_handshake() {
    let fixture = Fixture::start(|_| ()).await;
    let other = Fixture::start(|_| ()).await;
    let channel = fixture.endpoint(Some(other.operator())).connect_lazy();
    healthy(channel).await.unwrap_err();
    fixture.until_counted("touchmark_connections_dropped_total{reason=\"handshake_failed\"} 1").await;
}

#[tokio::test]
async fn connections_that_say_nothing_stop_nobody() {
    let fixture = Fixture::start(|limits| limits.handshakes_max = 16).await;
    let mut silent = Vec::new();
    for _ in 0..200 {
        silent.push(TcpStream::connect(fixture.grpc).await.unwrap());
    }
    healthy(fixture.known().await).await.unwrap();
    // The first were cut for later ones.
    let mut byte = [0];
    let cut = tokio::time::timeout(Duration::from_secs(20), silent[0].read(&mut byte)).await.unwrap();
    assert!(matches!(cut, Ok(0) | Err(_)));
    let text = fixture.metrics.text().unwrap();
    let cut = text.lines().find(|line| line.contains("handshake_crowded_out")).unwrap();
    let cut: u32 = cut.rsplit(' ').next().unwrap().parse().unwrap();
    assert!(cut >= 184, "{cut} were cut");
}

#[tokio::test]
async fn a_slow_handshake_is_cut() {
    let fixture = Fixture::start(|limits| limits.handshake_timeout = Duration::from_millis(50)).await;
    let mut silent = TcpStream::connect(fixture.grpc).await.unwrap();
    let mut byte = [0];
    let cut = tokio::time::timeout(Duration::from_secs(20), silent.read(&mut byte)).await.unwrap();
    assert!(matches!(cut, Ok(0) | Err(_)));
    fixture.until_counted("touchmark_connections_dropped_total{reason=\"handshake_too_slow\"} 1").await;
}

#[tokio::test]
async fn too_many_without_a_certificate_crowd_out_each_other_only() {
    let fixture = Fixture::start(|limits| limits.anonymous_connections_max = 4).await;
    let known = fixture.known().await;
    healthy(known.clone()).await.unwrap();
    let mut anonymous = Vec::new();
    for _ in 0..10 {
        let channel = fixture.anonymous().await;
        healthy(channel.clone()).await.unwrap();
        anonymous.push(channel);
    }
    fixture.until_counted("touchmark_connections 5").await;
    assert!(fixture.counted("touchmark_connections_dropped_total{reason=\"anonymous_crowded_out\"} 6"));
    healthy(known).await.unwrap();
}

#[tokio::test]
async fn an_operator_has_a_share_of_the_connections_kept_for_operators() {
    let fixture = Fixture::start(|limits| limits.connections_max = 2).await;
    let mut open = Vec::new();
    for _ in 0..64 {
        open.push(fixture.known().await);
    }
    for channel in &open {
        healthy(channel.clone()).await.unwrap();
    }
    healthy(fixture.endpoint(Some(fixture.operator())).connect_lazy()).await.unwrap_err();
    healthy(fixture.anonymous().await).await.unwrap();
}

#[tokio::test]
async fn strangers_who_watch_do_not_keep_others_from_asking_for_health() {
    let fixture = Fixture::start(|_| ()).await;
    let stranger = fixture.anonymous().await;
    let mut watching = Vec::new();
    for _ in 0..70 {
        let watched = HealthClient::new(stranger.clone()).watch(HealthCheckRequest::default()).await;
        watching.push(watched.unwrap().into_inner());
    }
    healthy(fixture.anonymous().await).await.unwrap();
    // The first made room for the last.
    let ended = loop {
        match watching[0].message().await {
            Ok(Some(_)) => {}
            Ok(None) => panic!("ended without a reason"),
            Err(ended) => break ended,
        }
    };
    assert_eq!(ended.code(), Code::Unavailable);
    watching[69].message().await.unwrap().unwrap();
}

#[tokio::test]
async fn one_principal_does_not_take_the_places_of_others() {
    let fixture = Fixture::start(|limits| limits.requests_max = 40).await;
    let greedy = [fixture.known().await, fixture.known().await];
    let mut open = Vec::new();
    let refused = loop {
        let channel = greedy[open.len() % 2].clone();
        match HealthClient::new(channel).watch(HealthCheckRequest::default()).await {
            Ok(watched) => open.push(watched),
            Err(refused) => break refused,
        }
    };
    assert_eq!(open.len(), 256, "a quarter of what is kept for operators");
    assert_eq!(refused.code(), Code::Unavailable);
    assert_eq!(refused.get_details_error_info().unwrap().reason, "OVERLOADED");
    assert!(refused.get_details_retry_info().is_some());
    // Also on another connection; and others are answered.
    healthy(fixture.known().await).await.unwrap_err();
    healthy(fixture.anonymous().await).await.unwrap();
    open.clear();
}

#[tokio::test]
async fn a_stop_ends_streams_that_nobody_would_end() {
    let fixture = Fixture::start(|_| ()).await;
    let watched =
        HealthClient::new(fixture.known().await).watch(HealthCheckRequest::default()).await.unwrap();
    let mut watched = watched.into_inner();
    watched.message().await.unwrap().unwrap();
    let (asking, questions) = mpsc::channel(1);
    let answers = ServerReflectionClient::new(fixture.known().await)
        .server_reflection_info(ReceiverStream::new(questions))
        .await
        .unwrap();
    fixture.stop.cancel();
    let serving = fixture.serving.lock().take().unwrap();
    tokio::time::timeout(Duration::from_secs(15), serving).await.unwrap().unwrap();
    assert_eq!(answers.into_inner().message().await.unwrap(), None);
    drop(asking);
    loop {
        match watched.message().await {
            Ok(Some(_)) => {}
            Ok(None) => break,
            Err(ended) => {
                assert_eq!(ended.code(), Code::Unavailable);
                break;
            }
        }
    }
}
