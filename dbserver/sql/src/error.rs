//! The one error of the SQL layer: what PostgreSQL puts into an ErrorResponse.
//! SQLSTATEs are those of PostgreSQL 15's Appendix A.

use std::fmt;

/// The SQL layer's result.
pub type Result<T, E = SqlError> = std::result::Result<T, E>;

/// An error with its SQLSTATE and the fields clients read. Boxed inside, so that `Result` stays small.
#[derive(Clone, PartialEq, Eq)]
pub struct SqlError(Box<Fields>);

/// The fields of an error, named as in PostgreSQL's protocol (section 55.8).
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Fields {
    /// Five characters, e.g. `42P01`.
    pub sqlstate: &'static str,
    /// Primary message: lower-case, no full stop, objects quoted.
    pub message: String,
    /// A whole sentence, or empty.
    pub detail: String,
    /// A whole sentence that says what to do, or empty.
    pub hint: String,
    /// 1-based character position in the query text, or 0.
    pub position: u32,
    /// Schema, table, column, data type and constraint concerned; empty where none.
    pub schema: String,
    /// See `schema`.
    pub table: String,
    /// See `schema`.
    pub column: String,
    /// See `schema`.
    pub data_type: String,
    /// See `schema`.
    pub constraint: String,
    /// Where it happened, e.g. `COPY t, line 3, column a: "x"` (field `W`); empty where there is nothing to say.
    pub context: String,
    /// The waits of a deadlock, which the session puts into `detail`; not sent.
    pub deadlock: Vec<plimsoll_storage::WaitsFor>,
}

macro_rules! states {
    ($($(#[$doc:meta])* $name:ident = $code:literal;)*) => {
        /// SQLSTATE codes in use (PostgreSQL 15, Appendix A).
        pub mod sqlstate { $( #[doc = concat!("`", $code, "`")] pub const $name: &str = $code; )* }
    };
}
states! {
    CONNECTION_FAILURE = "08006"; PROTOCOL_VIOLATION = "08P01";
    FEATURE_NOT_SUPPORTED = "0A000"; CARDINALITY_VIOLATION = "21000";
    STRING_DATA_RIGHT_TRUNCATION = "22001"; NUMERIC_VALUE_OUT_OF_RANGE = "22003"; NULL_VALUE_NOT_ALLOWED = "22004";
    INTERVAL_FIELD_OVERFLOW = "22015"; INVALID_DATETIME_FORMAT = "22007"; DATETIME_FIELD_OVERFLOW = "22008"; INVALID_TIME_ZONE_DISPLACEMENT = "22009";
    SUBSTRING_ERROR = "22011"; DIVISION_BY_ZERO = "22012"; INVALID_ROW_COUNT_IN_LIMIT = "2201W"; INVALID_ROW_COUNT_IN_OFFSET = "2201X";
    INVALID_ARGUMENT_FOR_LOG = "2201E"; INVALID_ARGUMENT_FOR_POWER = "2201F"; INVALID_REGULAR_EXPRESSION = "2201B";
    INVALID_PARAMETER_VALUE = "22023"; CHARACTER_NOT_IN_REPERTOIRE = "22021"; INVALID_ESCAPE_SEQUENCE = "22025"; ARRAY_SUBSCRIPT_ERROR = "2202E";
    INVALID_TEXT_REPRESENTATION = "22P02"; INVALID_BINARY_REPRESENTATION = "22P03"; BAD_COPY_FILE_FORMAT = "22P04"; UNTRANSLATABLE_CHARACTER = "22P05";
    NOT_NULL_VIOLATION = "23502"; FOREIGN_KEY_VIOLATION = "23503"; UNIQUE_VIOLATION = "23505"; CHECK_VIOLATION = "23514";
    INVALID_CURSOR_STATE = "24000"; INVALID_TRANSACTION_STATE = "25000"; ACTIVE_SQL_TRANSACTION = "25001"; READ_ONLY_SQL_TRANSACTION = "25006";
    NO_ACTIVE_SQL_TRANSACTION = "25P01"; IN_FAILED_SQL_TRANSACTION = "25P02"; IDLE_IN_TRANSACTION_SESSION_TIMEOUT = "25P03";
    INVALID_SQL_STATEMENT_NAME = "26000"; INVALID_AUTHORIZATION = "28000"; INVALID_PASSWORD = "28P01"; DEPENDENT_OBJECTS_STILL_EXIST = "2BP01";
    INVALID_CURSOR_NAME = "34000"; SAVEPOINT_EXCEPTION = "3B000"; INVALID_SAVEPOINT = "3B001"; INVALID_CATALOG_NAME = "3D000"; INVALID_SCHEMA_NAME = "3F000";
    SERIALIZATION_FAILURE = "40001"; DEADLOCK_DETECTED = "40P01";
    SYNTAX_ERROR = "42601"; INSUFFICIENT_PRIVILEGE = "42501"; CANNOT_COERCE = "42846"; GROUPING_ERROR = "42803"; WINDOWING_ERROR = "42P20";
    INVALID_RECURSION = "42P19"; INVALID_FOREIGN_KEY = "42830"; INVALID_NAME = "42602"; NAME_TOO_LONG = "42622"; DATATYPE_MISMATCH = "42804";
    INDETERMINATE_DATATYPE = "42P18"; WRONG_OBJECT_TYPE = "42809"; UNDEFINED_COLUMN = "42703"; UNDEFINED_FUNCTION = "42883"; UNDEFINED_TABLE = "42P01";
    UNDEFINED_PARAMETER = "42P02"; UNDEFINED_OBJECT = "42704"; DUPLICATE_COLUMN = "42701"; DUPLICATE_CURSOR = "42P03"; DUPLICATE_DATABASE = "42P04";
    DUPLICATE_PREPARED_STATEMENT = "42P05"; DUPLICATE_SCHEMA = "42P06"; DUPLICATE_TABLE = "42P07"; DUPLICATE_ALIAS = "42712"; DUPLICATE_OBJECT = "42710";
    AMBIGUOUS_COLUMN = "42702"; AMBIGUOUS_ALIAS = "42P09"; AMBIGUOUS_FUNCTION = "42725"; AMBIGUOUS_PARAMETER = "42P08"; INVALID_COLUMN_REFERENCE = "42P10";
    INVALID_TABLE_DEFINITION = "42P16"; INVALID_OBJECT_DEFINITION = "42P17"; COLLATION_MISMATCH = "42P21";
    INSUFFICIENT_RESOURCES = "53000"; DISK_FULL = "53100"; OUT_OF_MEMORY = "53200"; TOO_MANY_CONNECTIONS = "53300"; CONFIGURATION_LIMIT_EXCEEDED = "53400";
    PROGRAM_LIMIT_EXCEEDED = "54000"; STATEMENT_TOO_COMPLEX = "54001"; TOO_MANY_COLUMNS = "54011";
    OBJECT_NOT_IN_PREREQUISITE_STATE = "55000"; OBJECT_IN_USE = "55006"; CANT_CHANGE_RUNTIME_PARAM = "55P02"; LOCK_NOT_AVAILABLE = "55P03";
    QUERY_CANCELED = "57014"; ADMIN_SHUTDOWN = "57P01"; CANNOT_CONNECT_NOW = "57P03"; IDLE_SESSION_TIMEOUT = "57P05"; IO_ERROR = "58030";
    SNAPSHOT_TOO_OLD = "72000"; INTERNAL_ERROR = "XX000"; DATA_CORRUPTED = "XX001";
}

macro_rules! setters {
    ($($(#[$doc:meta])* $with:ident => $field:ident;)*) => { $( $(#[$doc])* #[must_use] pub fn $with(mut self, value: impl Into<String>) -> Self { self.0.$field = value.into(); self } )* };
}

impl SqlError {
    /// An error of `sqlstate` with its primary message.
    pub fn new(sqlstate: &'static str, message: impl Into<String>) -> Self {
        Self(Box::new(Fields { sqlstate, message: message.into(), ..Fields::default() }))
    }
    /// 0A000: `what` (e.g. "foreign keys") is not supported yet.
    pub fn unsupported(what: impl fmt::Display) -> Self {
        Self::new(sqlstate::FEATURE_NOT_SUPPORTED, format!("{what} is not supported yet"))
    }
    /// 42601: a syntax error.
    pub fn syntax(message: impl Into<String>) -> Self {
        Self::new(sqlstate::SYNTAX_ERROR, message)
    }
    /// XX000: a state this program should never reach. Never a panic.
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(sqlstate::INTERNAL_ERROR, message)
    }
    /// The fields to send to the client.
    pub fn fields(&self) -> &Fields {
        &self.0
    }
    /// The five-character code.
    pub fn sqlstate(&self) -> &'static str {
        self.0.sqlstate
    }
    /// Points at a 1-based character of the query text.
    #[must_use]
    pub fn with_position(mut self, position: u32) -> Self {
        self.0.position = position;
        self
    }
    setters! {
        /// Adds the detail sentence.
        with_detail => detail;
        /// Adds the hint sentence.
        with_hint => hint;
        /// Names the schema concerned.
        with_schema => schema;
        /// Names the table concerned.
        with_table => table;
        /// Names the column concerned.
        with_column => column;
        /// Names the data type concerned.
        with_data_type => data_type;
        /// Names the constraint concerned.
        with_constraint => constraint;
        /// Says where it happened.
        with_context => context;
    }
}

impl fmt::Display for SqlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.0.sqlstate, self.0.message)
    }
}

impl fmt::Debug for SqlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for SqlError {}

impl From<plimsoll_storage::Error> for SqlError {
    fn from(error: plimsoll_storage::Error) -> Self {
        let mut this = SqlError::new(error.sqlstate(), error.to_string());
        match error {
            plimsoll_storage::Error::Deadlock { cycle } => this.0.deadlock = cycle,
            plimsoll_storage::Error::ReadWriteConflict { reason } => {
                this = this
                    .with_detail(format!("Reason code: {reason}"))
                    .with_hint("The transaction might succeed if retried.");
            }
            _ => {}
        }
        this
    }
}
