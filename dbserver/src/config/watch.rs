//! Reads the configuration when the server starts and again when its files change.
//!
//! The files' content is polled, not watched for events: in Kubernetes a mounted ConfigMap changes by a symbolic link
//! being swapped two directories up, which file events miss. Twice a second two small files are read and compared with
//! what was read before; nothing else happens until they differ. A file that cannot be used is reported once, in the
//! log and in `/status`, and what is in force stays in force.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use super::{Config, ConfigError, Format, Level, Password, memory};

/// How often the files are compared with what is in force.
pub const POLL_INTERVAL: Duration = Duration::from_millis(500);

/// Where the configuration comes from: a file, and flags that override it.
#[derive(Debug, Clone, Default)]
pub struct Source {
    /// The YAML file; without one, defaults.
    pub file: Option<PathBuf>,
    /// `--log-level`, which goes before the file's.
    pub level: Option<Level>,
    /// `--log-format`, which goes before the file's.
    pub format: Option<Format>,
    /// The addresses the server listens on: beyond loopback it needs a password.
    pub listen: Vec<SocketAddr>,
}

/// A configuration ready to be put in force.
#[derive(Debug, Clone, PartialEq)]
pub struct Loaded {
    /// Every value, those of this machine included.
    pub config: Config,
    /// The password, where the file names one.
    pub password: Option<Password>,
}

/// What the files held, to tell whether they changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Content {
    config: Result<Option<String>, String>,
    password: Option<Result<String, String>>,
}

/// What `/status` says about the configuration, beside the values.
#[derive(Debug, Clone)]
pub struct State {
    /// When what is in force came into force.
    pub loaded_at: SystemTime,
    /// The keys that wait for a restart.
    pub pending_restart: Vec<&'static str>,
    /// The last file that could not be used, unless a good one came after it.
    pub last_error: Option<Failure>,
}

/// A configuration that could not be used.
#[derive(Debug, Clone)]
pub struct Failure {
    /// What is wrong with it.
    pub message: String,
    /// When it was read.
    pub at: SystemTime,
}

impl Source {
    /// Reads and validates. Fails where a file cannot be read or used, or where the server would listen beyond loopback
    /// without a password.
    pub fn load(&self) -> Result<Loaded, ConfigError> {
        let text = self.read_config().map_err(ConfigError::one)?;
        let mut config = Config::parse(text.as_deref().unwrap_or(""))?;
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        config = config.resolve(memory::memory_limit(), processors);
        config.logging.level = self.level.unwrap_or(config.logging.level);
        config.logging.format = self.format.unwrap_or(config.logging.format);
        let password = config.auth.password_file.as_deref().map(Password::read).transpose()?;
        if password.is_none()
            && let Some(address) = self.listen.iter().find(|address| !address.ip().is_loopback())
        {
            return Err(ConfigError::one(format!(
                "auth.passwordFile: a password is needed to listen on {address}, which others can reach; \
                 set it in the configuration file or listen on 127.0.0.1"
            )));
        }
        Ok(Loaded { config, password })
    }

    /// What the files hold now; `loaded` says which password file is in force.
    pub fn content(&self, in_force: &Config) -> Content {
        let config = self.read_config();
        let named = match &config {
            Ok(Some(text)) => Config::parse(text).ok().and_then(|config| config.auth.password_file),
            _ => None,
        };
        let password = named.as_ref().or(in_force.auth.password_file.as_ref());
        let password = password.map(|path| std::fs::read_to_string(path).map_err(|error| error.to_string()));
        Content { config, password }
    }

    fn read_config(&self) -> Result<Option<String>, String> {
        let read = |path: &PathBuf| {
            std::fs::read_to_string(path).map_err(|error| format!("cannot read {}: {error}", path.display()))
        };
        self.file.as_ref().map(read).transpose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn beyond_loopback_needs_a_password() {
        let listen = |address: &str| Source { listen: vec![address.parse().unwrap()], ..Source::default() };
        assert!(listen("127.0.0.1:5432").load().is_ok());
        assert!(listen("[::1]:5432").load().is_ok());
        let error = listen("0.0.0.0:5432").load().unwrap_err().to_string();
        assert!(error.contains("auth.passwordFile") && error.contains("0.0.0.0:5432"), "{error}");
    }

    #[test]
    fn a_changed_file_or_password_is_seen() {
        let directory = tempfile::tempdir().unwrap();
        let (file, password) = (directory.path().join("c.yaml"), directory.path().join("password"));
        std::fs::write(&password, "one").unwrap();
        std::fs::write(&file, format!("auth: {{passwordFile: {}}}\n", password.display())).unwrap();
        let source = Source {
            file: Some(file.clone()),
            listen: vec!["0.0.0.0:5432".parse().unwrap()],
            ..Source::default()
        };
        let loaded = source.load().unwrap();
        let before = source.content(&loaded.config);
        assert_eq!(source.content(&loaded.config), before);
        std::fs::write(&password, "two").unwrap();
        let with_password = source.content(&loaded.config);
        assert_ne!(with_password, before);
        std::fs::write(&file, "limits: {maxRows: no}\n").unwrap();
        assert_ne!(source.content(&loaded.config), with_password);
        assert!(source.load().is_err());
    }

    #[test]
    fn flags_go_before_the_file() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("c.yaml");
        std::fs::write(&file, "logging: {level: warn, format: json}\n").unwrap();
        let source = Source { file: Some(file), level: Some(Level::Debug), ..Source::default() };
        let logging = source.load().unwrap().config.logging;
        assert_eq!((logging.level, logging.format), (Level::Debug, Format::Json));
    }
}
