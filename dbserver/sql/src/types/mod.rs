//! PostgreSQL's types: their numbers, names and how a value of each is held in memory.
//!
//! A [`Type`] is PostgreSQL's OID, so that catalogs, protocol and engine agree on one number. Each has one
//! [`Physical`] form, and several types may share one (an `oid` and a `regclass` are both a `u32`).

pub mod array;
pub mod binary;
pub mod cast;
pub mod compare;
pub mod datetime;
pub mod datum;
pub mod float;
#[cfg(test)]
pub(crate) mod golden;
pub mod interval;
pub mod io;
pub mod json;
pub mod key;
pub mod name;
pub mod numeric;
pub mod row;
pub mod table_row;

pub use datum::{Array, Datum, Interval, Numeric, Record};

/// PostgreSQL's object identifier.
pub type Oid = u32;

/// A data type, by its OID in `pg_type`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Type(pub Oid);

/// How values of a type are held: the variant of [`Datum`] and of [`crate::vector::Values`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Physical {
    /// `bool`
    Bool,
    /// `i16`
    Int2,
    /// `i32`; also `date` (days since 2000-01-01; `i32::MIN`/`MAX` are the infinities)
    Int4,
    /// `i64`; also `time` (µs since midnight), `timestamp` and `timestamptz` (µs since 2000-01-01 00:00 (UTC); `MIN`/`MAX` are the infinities)
    Int8,
    /// `f32`
    Float4,
    /// `f64`
    Float8,
    /// [`Numeric`]
    Numeric,
    /// UTF-8 text: `text`, `varchar`, `bpchar` (held without its trailing blanks, padded on output), `name`, `"char"`, `unknown`, `json`, …
    Text,
    /// `bytea`
    Bytea,
    /// [`Interval`]
    Interval,
    /// 16 bytes
    Uuid,
    /// `u32`: `oid`, `xid`, `cid`, `regclass` and the other reg* types
    Oid,
    /// [`Array`]; also `int2vector` and `oidvector`
    Array,
    /// [`Record`]: an anonymous or named composite
    Record,
    /// `void`: no value
    Void,
}

/// What `pg_type` says of a built-in type.
#[derive(Clone, Copy, Debug)]
pub struct TypeInfo {
    /// Its OID.
    pub oid: Oid,
    /// `typname`
    pub name: &'static str,
    /// The name that `format_type` gives, e.g. `character varying`.
    pub sql_name: &'static str,
    /// `typlen`: bytes, or -1 for variable length, -2 for C strings.
    pub len: i16,
    /// `typcategory`: `N` numeric, `S` string, `D` date/time, `B` boolean, `A` array, `T` interval, `U` user, `P` pseudo, `X` unknown, `Z` internal.
    pub category: char,
    /// `typispreferred`
    pub preferred: bool,
    /// Element type for arrays (0 where none).
    pub element: Oid,
    /// The array type over this one (0 where none).
    pub array: Oid,
    /// How values are held.
    pub physical: Physical,
}

macro_rules! types {
    ($( $konst:ident $oid:literal $name:literal $sql:literal $len:literal $cat:literal $pref:literal elem $elem:literal array $array:literal $phys:ident; )*) => {
        impl Type { $( #[doc = concat!("`", $sql, "`")] pub const $konst: Type = Type($oid); )* }
        /// Every built-in type, by ascending OID groups as in `pg_type.dat`.
        pub static BUILTIN_TYPES: &[TypeInfo] = &[ $( TypeInfo { oid: $oid, name: $name, sql_name: $sql, len: $len, category: $cat, preferred: $pref, element: $elem, array: $array, physical: Physical::$phys } ),* ];
    };
}
types! {
    BOOL 16 "bool" "boolean" 1 'B' true elem 0 array 1000 Bool;
    BYTEA 17 "bytea" "bytea" -1 'U' false elem 0 array 1001 Bytea;
    CHAR 18 "char" "\"char\"" 1 'Z' false elem 0 array 1002 Text;
    NAME 19 "name" "name" 64 'S' false elem 0 array 1003 Text;
    INT8 20 "int8" "bigint" 8 'N' false elem 0 array 1016 Int8;
    INT2 21 "int2" "smallint" 2 'N' false elem 0 array 1005 Int2;
    INT2VECTOR 22 "int2vector" "int2vector" -1 'A' false elem 21 array 1006 Array;
    INT4 23 "int4" "integer" 4 'N' false elem 0 array 1007 Int4;
    REGPROC 24 "regproc" "regproc" 4 'N' false elem 0 array 1008 Oid;
    TEXT 25 "text" "text" -1 'S' true elem 0 array 1009 Text;
    OID 26 "oid" "oid" 4 'N' true elem 0 array 1028 Oid;
    TID 27 "tid" "tid" 6 'U' false elem 0 array 1010 Text;
    XID 28 "xid" "xid" 4 'U' false elem 0 array 1011 Oid;
    CID 29 "cid" "cid" 4 'U' false elem 0 array 1012 Oid;
    OIDVECTOR 30 "oidvector" "oidvector" -1 'A' false elem 26 array 1013 Array;
    JSON 114 "json" "json" -1 'U' false elem 0 array 199 Text;
    PG_NODE_TREE 194 "pg_node_tree" "pg_node_tree" -1 'Z' false elem 0 array 0 Text;
    FLOAT4 700 "float4" "real" 4 'N' false elem 0 array 1021 Float4;
    FLOAT8 701 "float8" "double precision" 8 'N' true elem 0 array 1022 Float8;
    UNKNOWN 705 "unknown" "unknown" -2 'X' false elem 0 array 0 Text;
    ACLITEM 1033 "aclitem" "aclitem" 12 'U' false elem 0 array 1034 Text;
    BPCHAR 1042 "bpchar" "character" -1 'S' false elem 0 array 1014 Text;
    VARCHAR 1043 "varchar" "character varying" -1 'S' false elem 0 array 1015 Text;
    DATE 1082 "date" "date" 4 'D' false elem 0 array 1182 Int4;
    TIME 1083 "time" "time without time zone" 8 'D' false elem 0 array 1183 Int8;
    TIMESTAMP 1114 "timestamp" "timestamp without time zone" 8 'D' false elem 0 array 1115 Int8;
    TIMESTAMPTZ 1184 "timestamptz" "timestamp with time zone" 8 'D' true elem 0 array 1185 Int8;
    INTERVAL 1186 "interval" "interval" 16 'T' true elem 0 array 1187 Interval;
    NUMERIC 1700 "numeric" "numeric" -1 'N' false elem 0 array 1231 Numeric;
    REGPROCEDURE 2202 "regprocedure" "regprocedure" 4 'N' false elem 0 array 2207 Oid;
    REGOPER 2203 "regoper" "regoper" 4 'N' false elem 0 array 2208 Oid;
    REGOPERATOR 2204 "regoperator" "regoperator" 4 'N' false elem 0 array 2209 Oid;
    REGCLASS 2205 "regclass" "regclass" 4 'N' false elem 0 array 2210 Oid;
    REGTYPE 2206 "regtype" "regtype" 4 'N' false elem 0 array 2211 Oid;
    CSTRING 2275 "cstring" "cstring" -2 'P' false elem 0 array 1263 Text;
    ANY 2276 "any" "\"any\"" 4 'P' false elem 0 array 0 Text;
    ANYARRAY 2277 "anyarray" "anyarray" -1 'P' false elem 0 array 0 Array;
    VOID 2278 "void" "void" 4 'P' false elem 0 array 0 Void;
    RECORD 2249 "record" "record" -1 'P' false elem 0 array 2287 Record;
    ANYELEMENT 2283 "anyelement" "anyelement" 4 'P' false elem 0 array 0 Text;
    ANYNONARRAY 2776 "anynonarray" "anynonarray" 4 'P' false elem 0 array 0 Text;
    ANYCOMPATIBLE 5077 "anycompatible" "anycompatible" 4 'P' false elem 0 array 0 Text;
    ANYCOMPATIBLEARRAY 5078 "anycompatiblearray" "anycompatiblearray" -1 'P' false elem 0 array 0 Array;
    UUID 2950 "uuid" "uuid" 16 'U' false elem 0 array 2951 Uuid;
    PG_LSN 3220 "pg_lsn" "pg_lsn" 8 'U' false elem 0 array 3221 Int8;
    REGNAMESPACE 4089 "regnamespace" "regnamespace" 4 'N' false elem 0 array 4090 Oid;
    REGROLE 4096 "regrole" "regrole" 4 'N' false elem 0 array 4097 Oid;
    REGCOLLATION 4191 "regcollation" "regcollation" 4 'N' false elem 0 array 4192 Oid;
    JSONB 3802 "jsonb" "jsonb" -1 'U' false elem 0 array 3807 Text;
    BOOL_ARRAY 1000 "_bool" "boolean[]" -1 'A' false elem 16 array 0 Array;
    BYTEA_ARRAY 1001 "_bytea" "bytea[]" -1 'A' false elem 17 array 0 Array;
    CHAR_ARRAY 1002 "_char" "\"char\"[]" -1 'A' false elem 18 array 0 Array;
    NAME_ARRAY 1003 "_name" "name[]" -1 'A' false elem 19 array 0 Array;
    INT2_ARRAY 1005 "_int2" "smallint[]" -1 'A' false elem 21 array 0 Array;
    INT2VECTOR_ARRAY 1006 "_int2vector" "int2vector[]" -1 'A' false elem 22 array 0 Array;
    INT4_ARRAY 1007 "_int4" "integer[]" -1 'A' false elem 23 array 0 Array;
    REGPROC_ARRAY 1008 "_regproc" "regproc[]" -1 'A' false elem 24 array 0 Array;
    TEXT_ARRAY 1009 "_text" "text[]" -1 'A' false elem 25 array 0 Array;
    OID_ARRAY 1028 "_oid" "oid[]" -1 'A' false elem 26 array 0 Array;
    OIDVECTOR_ARRAY 1013 "_oidvector" "oidvector[]" -1 'A' false elem 30 array 0 Array;
    BPCHAR_ARRAY 1014 "_bpchar" "character[]" -1 'A' false elem 1042 array 0 Array;
    VARCHAR_ARRAY 1015 "_varchar" "character varying[]" -1 'A' false elem 1043 array 0 Array;
    INT8_ARRAY 1016 "_int8" "bigint[]" -1 'A' false elem 20 array 0 Array;
    FLOAT4_ARRAY 1021 "_float4" "real[]" -1 'A' false elem 700 array 0 Array;
    FLOAT8_ARRAY 1022 "_float8" "double precision[]" -1 'A' false elem 701 array 0 Array;
    ACLITEM_ARRAY 1034 "_aclitem" "aclitem[]" -1 'A' false elem 1033 array 0 Array;
    TIMESTAMP_ARRAY 1115 "_timestamp" "timestamp without time zone[]" -1 'A' false elem 1114 array 0 Array;
    DATE_ARRAY 1182 "_date" "date[]" -1 'A' false elem 1082 array 0 Array;
    TIME_ARRAY 1183 "_time" "time without time zone[]" -1 'A' false elem 1083 array 0 Array;
    TIMESTAMPTZ_ARRAY 1185 "_timestamptz" "timestamp with time zone[]" -1 'A' false elem 1184 array 0 Array;
    INTERVAL_ARRAY 1187 "_interval" "interval[]" -1 'A' false elem 1186 array 0 Array;
    NUMERIC_ARRAY 1231 "_numeric" "numeric[]" -1 'A' false elem 1700 array 0 Array;
    REGCLASS_ARRAY 2210 "_regclass" "regclass[]" -1 'A' false elem 2205 array 0 Array;
    REGTYPE_ARRAY 2211 "_regtype" "regtype[]" -1 'A' false elem 2206 array 0 Array;
    RECORD_ARRAY 2287 "_record" "record[]" -1 'P' false elem 2249 array 0 Array;
    UUID_ARRAY 2951 "_uuid" "uuid[]" -1 'A' false elem 2950 array 0 Array;
    JSON_ARRAY 199 "_json" "json[]" -1 'A' false elem 114 array 0 Array;
    JSONB_ARRAY 3807 "_jsonb" "jsonb[]" -1 'A' false elem 3802 array 0 Array;
}

impl Type {
    /// Whether values are OIDs that are written as the names of what they identify: `regclass` and its kin.
    pub fn is_reg(self) -> bool {
        matches!(
            self,
            Type::REGPROC
                | Type::REGPROCEDURE
                | Type::REGOPER
                | Type::REGOPERATOR
                | Type::REGCLASS
                | Type::REGTYPE
                | Type::REGNAMESPACE
                | Type::REGROLE
                | Type::REGCOLLATION
        )
    }
    /// The built-in type's description; `None` for a number no built-in type has.
    pub fn info(self) -> Option<&'static TypeInfo> {
        BUILTIN_TYPES.iter().find(|t| t.oid == self.0)
    }
    /// How values of this type are held. Unknown numbers are held as text.
    pub fn physical(self) -> Physical {
        // The hot ones without a search.
        match self {
            Type::BOOL => Physical::Bool,
            Type::INT2 => Physical::Int2,
            Type::INT4 | Type::DATE => Physical::Int4,
            Type::INT8 | Type::TIME | Type::TIMESTAMP | Type::TIMESTAMPTZ => Physical::Int8,
            Type::FLOAT4 => Physical::Float4,
            Type::FLOAT8 => Physical::Float8,
            Type::NUMERIC => Physical::Numeric,
            Type::TEXT | Type::VARCHAR | Type::BPCHAR | Type::NAME | Type::UNKNOWN => Physical::Text,
            other => other.info().map_or(Physical::Text, |t| t.physical),
        }
    }
    /// `typname`, e.g. `int4`.
    pub fn name(self) -> &'static str {
        self.info().map_or("???", |t| t.name)
    }
    /// The SQL name without modifier, e.g. `integer`, as error messages have it.
    pub fn sql_name(self) -> &'static str {
        self.info().map_or("???", |t| t.sql_name)
    }
    /// The element type of an array type.
    pub fn element(self) -> Option<Type> {
        self.info().filter(|t| t.element != 0).map(|t| Type(t.element))
    }
    /// The array type over this type.
    pub fn array(self) -> Option<Type> {
        self.info().filter(|t| t.array != 0).map(|t| Type(t.array))
    }
}

impl std::fmt::Debug for Type {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// A type with its modifier (`varchar(10)`, `numeric(8,2)`), as `pg_attribute` has them.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct ColumnType {
    /// The type.
    pub ty: Type,
    /// `atttypmod`: -1 for none; varchar/bpchar n + 4; numeric ((p << 16) | s) + 4; time types the precision.
    pub typmod: i32,
}

impl From<Type> for ColumnType {
    fn from(ty: Type) -> Self {
        Self { ty, typmod: -1 }
    }
}
