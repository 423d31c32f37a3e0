//! A local port that leads to a port of a Database's pod, through the API server, whichever pod it is now.

use anyhow::Result;
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use std::net::SocketAddr;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// Forwards while it lives.
pub struct Tunnel {
    /// Where to connect.
    pub address: SocketAddr,
    task: Option<JoinHandle<()>>,
}

impl Tunnel {
    /// Opens a tunnel to `port` of the pod `pod`; each connection looks the pod up anew.
    pub async fn open(pods: Api<Pod>, pod: String, port: u16) -> Result<Tunnel> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let task = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(forward(pods.clone(), pod.clone(), port, client));
            }
        });
        Ok(Tunnel { address, task: Some(task) })
    }

    /// No tunnel at all: an address of this machine.
    pub fn direct(address: SocketAddr) -> Tunnel {
        Tunnel { address, task: None }
    }
}

impl Drop for Tunnel {
    fn drop(&mut self) {
        if let Some(task) = &self.task {
            task.abort();
        }
    }
}

async fn forward(pods: Api<Pod>, pod: String, port: u16, mut client: TcpStream) {
    let Ok(mut forwarder) = pods.portforward(&pod, &[port]).await else { return };
    let Some(mut server) = forwarder.take_stream(port) else { return };
    let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
    drop(server);
    forwarder.abort();
}
