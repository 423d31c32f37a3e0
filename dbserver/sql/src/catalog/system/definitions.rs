//! Which relations `pg_catalog` and `information_schema` have: PostgreSQL 15's numbers, names and columns (manual,
//! chapters 37 and 53). Those that describe what Plimsoll has none of (triggers, policies, publications …) are empty.
//! `pg_stat_activity` ends with four columns of Plimsoll's own.

use super::{cluster, constraints, information_schema, procedures, relations, statistics, types, views};
use crate::plan::SystemRelation;
use crate::session::EvalContext;
use crate::types::{Datum, Type};

macro_rules! relations {
    ($schema:literal: $($oid:literal $name:ident $kind:literal $rows:path [$($column:ident $ty:ident),*])*) => {
        &[$(SystemRelation {
            oid: $oid,
            schema: $schema,
            name: stringify!($name),
            kind: $kind,
            columns: &[$((stringify!($column), Type::$ty)),*],
            rows: $rows,
        }),*]
    };
}

/// Rows of a relation that describes something there is none of.
fn none(_: &EvalContext<'_>) -> crate::Result<Vec<Vec<Datum>>> {
    Ok(Vec::new())
}

/// The relations of `pg_catalog`.
#[rustfmt::skip]
pub(super) static PG_CATALOG: &[SystemRelation] = relations! { "pg_catalog":
    2600 pg_aggregate 'r' procedures::pg_aggregate [
        aggfnoid REGPROC, aggkind CHAR, aggnumdirectargs INT2, aggtransfn REGPROC, aggfinalfn REGPROC,
        aggcombinefn REGPROC, aggserialfn REGPROC, aggdeserialfn REGPROC, aggmtransfn REGPROC,
        aggminvtransfn REGPROC, aggmfinalfn REGPROC, aggfinalextra BOOL, aggmfinalextra BOOL,
        aggfinalmodify CHAR, aggmfinalmodify CHAR, aggsortop OID, aggtranstype OID, aggtransspace INT4,
        aggmtranstype OID, aggmtransspace INT4, agginitval TEXT, aggminitval TEXT
    ]
    2601 pg_am 'r' types::pg_am [
        oid OID, amname NAME, amhandler REGPROC, amtype CHAR
    ]
    2602 pg_amop 'r' none [
        oid OID, amopfamily OID, amoplefttype OID, amoprighttype OID, amopstrategy INT2, amoppurpose
        CHAR, amopopr OID, amopmethod OID, amopsortfamily OID
    ]
    2603 pg_amproc 'r' none [
        oid OID, amprocfamily OID, amproclefttype OID, amprocrighttype OID, amprocnum INT2, amproc
        REGPROC
    ]
    2604 pg_attrdef 'r' relations::pg_attrdef [
        oid OID, adrelid OID, adnum INT2, adbin PG_NODE_TREE
    ]
    1249 pg_attribute 'r' relations::pg_attribute [
        attrelid OID, attname NAME, atttypid OID, attstattarget INT4, attlen INT2, attnum INT2, attndims
        INT4, attcacheoff INT4, atttypmod INT4, attbyval BOOL, attalign CHAR, attstorage CHAR,
        attcompression CHAR, attnotnull BOOL, atthasdef BOOL, atthasmissing BOOL, attidentity CHAR,
        attgenerated CHAR, attisdropped BOOL, attislocal BOOL, attinhcount INT4, attcollation OID,
        attacl ACLITEM_ARRAY, attoptions TEXT_ARRAY, attfdwoptions TEXT_ARRAY, attmissingval TEXT_ARRAY
    ]
    1261 pg_auth_members 'r' none [
        roleid OID, member OID, grantor OID, admin_option BOOL
    ]
    1260 pg_authid 'r' cluster::pg_authid [
        oid OID, rolname NAME, rolsuper BOOL, rolinherit BOOL, rolcreaterole BOOL, rolcreatedb BOOL,
        rolcanlogin BOOL, rolreplication BOOL, rolbypassrls BOOL, rolconnlimit INT4, rolpassword TEXT,
        rolvaliduntil TIMESTAMPTZ
    ]
    2605 pg_cast 'r' procedures::pg_cast [
        oid OID, castsource OID, casttarget OID, castfunc OID, castcontext CHAR, castmethod CHAR
    ]
    1259 pg_class 'r' relations::pg_class [
        oid OID, relname NAME, relnamespace OID, reltype OID, reloftype OID, relowner OID, relam OID,
        relfilenode OID, reltablespace OID, relpages INT4, reltuples FLOAT4, relallvisible INT4,
        reltoastrelid OID, relhasindex BOOL, relisshared BOOL, relpersistence CHAR, relkind CHAR,
        relnatts INT2, relchecks INT2, relhasrules BOOL, relhastriggers BOOL, relhassubclass BOOL,
        relrowsecurity BOOL, relforcerowsecurity BOOL, relispopulated BOOL, relreplident CHAR,
        relispartition BOOL, relrewrite OID, relfrozenxid XID, relminmxid XID, relacl ACLITEM_ARRAY,
        reloptions TEXT_ARRAY, relpartbound PG_NODE_TREE
    ]
    3456 pg_collation 'r' types::pg_collation [
        oid OID, collname NAME, collnamespace OID, collowner OID, collprovider CHAR, collisdeterministic
        BOOL, collencoding INT4, collcollate TEXT, collctype TEXT, colliculocale TEXT, collversion TEXT
    ]
    2606 pg_constraint 'r' constraints::pg_constraint [
        oid OID, conname NAME, connamespace OID, contype CHAR, condeferrable BOOL, condeferred BOOL,
        convalidated BOOL, conrelid OID, contypid OID, conindid OID, conparentid OID, confrelid OID,
        confupdtype CHAR, confdeltype CHAR, confmatchtype CHAR, conislocal BOOL, coninhcount INT4,
        connoinherit BOOL, conkey INT2_ARRAY, confkey INT2_ARRAY, conpfeqop OID_ARRAY, conppeqop
        OID_ARRAY, conffeqop OID_ARRAY, confdelsetcols INT2_ARRAY, conexclop OID_ARRAY, conbin
        PG_NODE_TREE
    ]
    2607 pg_conversion 'r' none [
        oid OID, conname NAME, connamespace OID, conowner OID, conforencoding INT4, contoencoding INT4,
        conproc REGPROC, condefault BOOL
    ]
    1262 pg_database 'r' cluster::pg_database [
        oid OID, datname NAME, datdba OID, encoding INT4, datlocprovider CHAR, datistemplate BOOL,
        datallowconn BOOL, datconnlimit INT4, datfrozenxid XID, datminmxid XID, dattablespace OID,
        datcollate TEXT, datctype TEXT, daticulocale TEXT, datcollversion TEXT, datacl ACLITEM_ARRAY
    ]
    2964 pg_db_role_setting 'r' none [
        setdatabase OID, setrole OID, setconfig TEXT_ARRAY
    ]
    826 pg_default_acl 'r' none [
        oid OID, defaclrole OID, defaclnamespace OID, defaclobjtype CHAR, defaclacl ACLITEM_ARRAY
    ]
    2608 pg_depend 'r' constraints::pg_depend [
        classid OID, objid OID, objsubid INT4, refclassid OID, refobjid OID, refobjsubid INT4, deptype
        CHAR
    ]
    2609 pg_description 'r' relations::pg_description [
        objoid OID, classoid OID, objsubid INT4, description TEXT
    ]
    3501 pg_enum 'r' none [
        oid OID, enumtypid OID, enumsortorder FLOAT4, enumlabel NAME
    ]
    3466 pg_event_trigger 'r' none [
        oid OID, evtname NAME, evtevent NAME, evtowner OID, evtfoid OID, evtenabled CHAR, evttags
        TEXT_ARRAY
    ]
    3079 pg_extension 'r' none [
        oid OID, extname NAME, extowner OID, extnamespace OID, extrelocatable BOOL, extversion TEXT,
        extconfig OID_ARRAY, extcondition TEXT_ARRAY
    ]
    2328 pg_foreign_data_wrapper 'r' none [
        oid OID, fdwname NAME, fdwowner OID, fdwhandler OID, fdwvalidator OID, fdwacl ACLITEM_ARRAY,
        fdwoptions TEXT_ARRAY
    ]
    1417 pg_foreign_server 'r' none [
        oid OID, srvname NAME, srvowner OID, srvfdw OID, srvtype TEXT, srvversion TEXT, srvacl
        ACLITEM_ARRAY, srvoptions TEXT_ARRAY
    ]
    3118 pg_foreign_table 'r' none [
        ftrelid OID, ftserver OID, ftoptions TEXT_ARRAY
    ]
    2610 pg_index 'r' constraints::pg_index [
        indexrelid OID, indrelid OID, indnatts INT2, indnkeyatts INT2, indisunique BOOL,
        indnullsnotdistinct BOOL, indisprimary BOOL, indisexclusion BOOL, indimmediate BOOL,
        indisclustered BOOL, indisvalid BOOL, indcheckxmin BOOL, indisready BOOL, indislive BOOL,
        indisreplident BOOL, indkey INT2VECTOR, indcollation OIDVECTOR, indclass OIDVECTOR, indoption
        INT2VECTOR, indexprs PG_NODE_TREE, indpred PG_NODE_TREE
    ]
    2611 pg_inherits 'r' none [
        inhrelid OID, inhparent OID, inhseqno INT4, inhdetachpending BOOL
    ]
    3394 pg_init_privs 'r' none [
        objoid OID, classoid OID, objsubid INT4, privtype CHAR, initprivs ACLITEM_ARRAY
    ]
    2612 pg_language 'r' types::pg_language [
        oid OID, lanname NAME, lanowner OID, lanispl BOOL, lanpltrusted BOOL, lanplcallfoid OID,
        laninline OID, lanvalidator OID, lanacl ACLITEM_ARRAY
    ]
    2995 pg_largeobject_metadata 'r' none [
        oid OID, lomowner OID, lomacl ACLITEM_ARRAY
    ]
    2615 pg_namespace 'r' cluster::pg_namespace [
        oid OID, nspname NAME, nspowner OID, nspacl ACLITEM_ARRAY
    ]
    2616 pg_opclass 'r' types::pg_opclass [
        oid OID, opcmethod OID, opcname NAME, opcnamespace OID, opcowner OID, opcfamily OID, opcintype
        OID, opcdefault BOOL, opckeytype OID
    ]
    2617 pg_operator 'r' procedures::pg_operator [
        oid OID, oprname NAME, oprnamespace OID, oprowner OID, oprkind CHAR, oprcanmerge BOOL,
        oprcanhash BOOL, oprleft OID, oprright OID, oprresult OID, oprcom OID, oprnegate OID, oprcode
        REGPROC, oprrest REGPROC, oprjoin REGPROC
    ]
    2753 pg_opfamily 'r' types::pg_opfamily [
        oid OID, opfmethod OID, opfname NAME, opfnamespace OID, opfowner OID
    ]
    3350 pg_partitioned_table 'r' none [
        partrelid OID, partstrat CHAR, partnatts INT2, partdefid OID, partattrs INT2VECTOR, partclass
        OIDVECTOR, partcollation OIDVECTOR, partexprs PG_NODE_TREE
    ]
    3256 pg_policy 'r' none [
        oid OID, polname NAME, polrelid OID, polcmd CHAR, polpermissive BOOL, polroles OID_ARRAY,
        polqual PG_NODE_TREE, polwithcheck PG_NODE_TREE
    ]
    1255 pg_proc 'r' procedures::pg_proc [
        oid OID, proname NAME, pronamespace OID, proowner OID, prolang OID, procost FLOAT4, prorows
        FLOAT4, provariadic OID, prosupport REGPROC, prokind CHAR, prosecdef BOOL, proleakproof BOOL,
        proisstrict BOOL, proretset BOOL, provolatile CHAR, proparallel CHAR, pronargs INT2,
        pronargdefaults INT2, prorettype OID, proargtypes OIDVECTOR, proallargtypes OID_ARRAY,
        proargmodes CHAR_ARRAY, proargnames TEXT_ARRAY, proargdefaults PG_NODE_TREE, protrftypes
        OID_ARRAY, prosrc TEXT, probin TEXT, prosqlbody PG_NODE_TREE, proconfig TEXT_ARRAY, proacl
        ACLITEM_ARRAY
    ]
    6104 pg_publication 'r' none [
        oid OID, pubname NAME, pubowner OID, puballtables BOOL, pubinsert BOOL, pubupdate BOOL,
        pubdelete BOOL, pubtruncate BOOL, pubviaroot BOOL
    ]
    6237 pg_publication_namespace 'r' none [
        oid OID, pnpubid OID, pnnspid OID
    ]
    6106 pg_publication_rel 'r' none [
        oid OID, prpubid OID, prrelid OID, prqual PG_NODE_TREE, prattrs INT2VECTOR
    ]
    3541 pg_range 'r' none [
        rngtypid OID, rngsubtype OID, rngmultitypid OID, rngcollation OID, rngsubopc OID, rngcanonical
        REGPROC, rngsubdiff REGPROC
    ]
    2618 pg_rewrite 'r' relations::pg_rewrite [
        oid OID, rulename NAME, ev_class OID, ev_type CHAR, ev_enabled CHAR, is_instead BOOL, ev_qual
        PG_NODE_TREE, ev_action PG_NODE_TREE
    ]
    3596 pg_seclabel 'r' none [
        objoid OID, classoid OID, objsubid INT4, provider TEXT, label TEXT
    ]
    2224 pg_sequence 'r' relations::pg_sequence [
        seqrelid OID, seqtypid OID, seqstart INT8, seqincrement INT8, seqmax INT8, seqmin INT8, seqcache
        INT8, seqcycle BOOL
    ]
    1214 pg_shdepend 'r' none [
        dbid OID, classid OID, objid OID, objsubid INT4, refclassid OID, refobjid OID, deptype CHAR
    ]
    2396 pg_shdescription 'r' none [
        objoid OID, classoid OID, description TEXT
    ]
    3592 pg_shseclabel 'r' none [
        objoid OID, classoid OID, provider TEXT, label TEXT
    ]
    2619 pg_statistic 'r' statistics::pg_statistic [
        starelid OID, staattnum INT2, stainherit BOOL, stanullfrac FLOAT4, stawidth INT4, stadistinct
        FLOAT4, stakind1 INT2, stakind2 INT2, stakind3 INT2, stakind4 INT2, stakind5 INT2,
        staop1 OID, staop2 OID, staop3 OID, staop4 OID, staop5 OID, stacoll1 OID, stacoll2 OID, stacoll3 OID, stacoll4 OID, stacoll5 OID,
        stanumbers1 FLOAT4_ARRAY, stanumbers2 FLOAT4_ARRAY, stanumbers3 FLOAT4_ARRAY, stanumbers4 FLOAT4_ARRAY, stanumbers5 FLOAT4_ARRAY,
        stavalues1 TEXT_ARRAY, stavalues2 TEXT_ARRAY, stavalues3 TEXT_ARRAY, stavalues4 TEXT_ARRAY, stavalues5 TEXT_ARRAY
    ]
    3381 pg_statistic_ext 'r' none [
        oid OID, stxrelid OID, stxname NAME, stxnamespace OID, stxowner OID, stxstattarget INT4, stxkeys
        INT2VECTOR, stxkind CHAR_ARRAY, stxexprs PG_NODE_TREE
    ]
    6100 pg_subscription 'r' none [
        oid OID, subdbid OID, subskiplsn PG_LSN, subname NAME, subowner OID, subenabled BOOL, subbinary
        BOOL, substream BOOL, subtwophasestate CHAR, subdisableonerr BOOL, subconninfo TEXT, subslotname
        NAME, subsynccommit TEXT, subpublications TEXT_ARRAY
    ]
    1213 pg_tablespace 'r' cluster::pg_tablespace [
        oid OID, spcname NAME, spcowner OID, spcacl ACLITEM_ARRAY, spcoptions TEXT_ARRAY
    ]
    3576 pg_transform 'r' none [
        oid OID, trftype OID, trflang OID, trffromsql REGPROC, trftosql REGPROC
    ]
    2620 pg_trigger 'r' none [
        oid OID, tgrelid OID, tgparentid OID, tgname NAME, tgfoid OID, tgtype INT2, tgenabled CHAR,
        tgisinternal BOOL, tgconstrrelid OID, tgconstrindid OID, tgconstraint OID, tgdeferrable BOOL,
        tginitdeferred BOOL, tgnargs INT2, tgattr INT2VECTOR, tgargs BYTEA, tgqual PG_NODE_TREE,
        tgoldtable NAME, tgnewtable NAME
    ]
    3602 pg_ts_config 'r' none [
        oid OID, cfgname NAME, cfgnamespace OID, cfgowner OID, cfgparser OID
    ]
    3600 pg_ts_dict 'r' none [
        oid OID, dictname NAME, dictnamespace OID, dictowner OID, dicttemplate OID, dictinitoption TEXT
    ]
    3601 pg_ts_parser 'r' none [
        oid OID, prsname NAME, prsnamespace OID, prsstart REGPROC, prstoken REGPROC, prsend REGPROC,
        prsheadline REGPROC, prslextype REGPROC
    ]
    3764 pg_ts_template 'r' none [
        oid OID, tmplname NAME, tmplnamespace OID, tmplinit REGPROC, tmpllexize REGPROC
    ]
    1247 pg_type 'r' types::pg_type [
        oid OID, typname NAME, typnamespace OID, typowner OID, typlen INT2, typbyval BOOL, typtype CHAR,
        typcategory CHAR, typispreferred BOOL, typisdefined BOOL, typdelim CHAR, typrelid OID,
        typsubscript REGPROC, typelem OID, typarray OID, typinput REGPROC, typoutput REGPROC, typreceive
        REGPROC, typsend REGPROC, typmodin REGPROC, typmodout REGPROC, typanalyze REGPROC, typalign
        CHAR, typstorage CHAR, typnotnull BOOL, typbasetype OID, typtypmod INT4, typndims INT4,
        typcollation OID, typdefaultbin PG_NODE_TREE, typdefault TEXT, typacl ACLITEM_ARRAY
    ]
    1418 pg_user_mapping 'r' none [
        oid OID, umuser OID, umserver OID, umoptions TEXT_ARRAY
    ]
    12081 pg_available_extensions 'v' none [
        name NAME, default_version TEXT, installed_version TEXT, comment TEXT
    ]
    12077 pg_cursors 'v' none [
        name TEXT, statement TEXT, is_holdable BOOL, is_binary BOOL, is_scrollable BOOL, creation_time
        TIMESTAMPTZ
    ]
    12010 pg_group 'v' none [
        groname NAME, grosysid OID, grolist OID_ARRAY
    ]
    12043 pg_indexes 'v' views::pg_indexes [
        schemaname NAME, tablename NAME, indexname NAME, tablespace NAME, indexdef TEXT
    ]
    12073 pg_locks 'v' cluster::pg_locks [
        locktype TEXT, database OID, relation OID, page INT4, tuple INT2, virtualxid TEXT, transactionid
        XID, classid OID, objid OID, objsubid INT2, virtualtransaction TEXT, pid INT4, mode TEXT,
        granted BOOL, fastpath BOOL, waitstart TIMESTAMPTZ
    ]
    12038 pg_matviews 'v' none [
        schemaname NAME, matviewname NAME, matviewowner NAME, tablespace NAME, hasindexes BOOL,
        ispopulated BOOL, definition TEXT
    ]
    12018 pg_policies 'v' none [
        schemaname NAME, tablename NAME, policyname NAME, permissive TEXT, roles NAME_ARRAY, cmd TEXT,
        qual TEXT, with_check TEXT
    ]
    12095 pg_prepared_statements 'v' none [
        name TEXT, statement TEXT, prepare_time TIMESTAMPTZ, parameter_types REGTYPE_ARRAY, from_sql
        BOOL, generic_plans INT8, custom_plans INT8
    ]
    12090 pg_prepared_xacts 'v' none [
        transaction XID, gid TEXT, prepared TIMESTAMPTZ, owner NAME, database NAME
    ]
    12068 pg_publication_tables 'v' none [
        pubname NAME, schemaname NAME, tablename NAME, attnames NAME_ARRAY, rowfilter TEXT
    ]
    12000 pg_roles 'v' cluster::pg_roles [
        rolname NAME, rolsuper BOOL, rolinherit BOOL, rolcreaterole BOOL, rolcreatedb BOOL, rolcanlogin
        BOOL, rolreplication BOOL, rolconnlimit INT4, rolpassword TEXT, rolvaliduntil TIMESTAMPTZ,
        rolbypassrls BOOL, rolconfig TEXT_ARRAY, oid OID
    ]
    12023 pg_rules 'v' none [
        schemaname NAME, tablename NAME, rulename NAME, definition TEXT
    ]
    12099 pg_seclabels 'v' none [
        objoid OID, classoid OID, objsubid INT4, objtype TEXT, objnamespace OID, objname TEXT, provider
        TEXT, label TEXT
    ]
    12048 pg_sequences 'v' views::pg_sequences [
        schemaname NAME, sequencename NAME, sequenceowner NAME, data_type REGTYPE, start_value INT8,
        min_value INT8, max_value INT8, increment_by INT8, cycle BOOL, cache_size INT8, last_value INT8
    ]
    12104 pg_settings 'v' cluster::pg_settings [
        name TEXT, setting TEXT, unit TEXT, category TEXT, short_desc TEXT, extra_desc TEXT, context
        TEXT, vartype TEXT, source TEXT, min_val TEXT, max_val TEXT, enumvals TEXT_ARRAY, boot_val TEXT,
        reset_val TEXT, sourcefile TEXT, sourceline INT4, pending_restart BOOL
    ]
    12222 pg_stat_activity 'v' cluster::pg_stat_activity [
        datid OID, datname NAME, pid INT4, leader_pid INT4, usesysid OID, usename NAME, application_name
        TEXT, client_addr TEXT, client_hostname TEXT, client_port INT4, backend_start TIMESTAMPTZ,
        xact_start TIMESTAMPTZ, query_start TIMESTAMPTZ, state_change TIMESTAMPTZ, wait_event_type TEXT,
        wait_event TEXT, state TEXT, backend_xid XID, backend_xmin XID, query_id INT8, query TEXT,
        backend_type TEXT, statements INT8, rows INT8, bytes INT8, time_us INT8
    ]
    12289 pg_stat_bgwriter 'v' none [
        checkpoints_timed INT8, checkpoints_req INT8, checkpoint_write_time FLOAT8, checkpoint_sync_time
        FLOAT8, buffers_checkpoint INT8, buffers_clean INT8, maxwritten_clean INT8, buffers_backend
        INT8, buffers_backend_fsync INT8, buffers_alloc INT8, stats_reset TIMESTAMPTZ
    ]
    12266 pg_stat_database 'v' cluster::pg_stat_database [
        datid OID, datname NAME, numbackends INT4, xact_commit INT8, xact_rollback INT8, blks_read INT8,
        blks_hit INT8, tup_returned INT8, tup_fetched INT8, tup_inserted INT8, tup_updated INT8,
        tup_deleted INT8, conflicts INT8, temp_files INT8, temp_bytes INT8, deadlocks INT8,
        checksum_failures INT8, checksum_last_failure TIMESTAMPTZ, blk_read_time FLOAT8, blk_write_time
        FLOAT8, session_time FLOAT8, active_time FLOAT8, idle_in_transaction_time FLOAT8, sessions INT8,
        sessions_abandoned INT8, sessions_fatal INT8, sessions_killed INT8, stats_reset TIMESTAMPTZ
    ]
    12227 pg_stat_replication 'v' none [
        pid INT4, usesysid OID, usename NAME, application_name TEXT, client_addr TEXT, client_hostname
        TEXT, client_port INT4, backend_start TIMESTAMPTZ, backend_xmin XID, state TEXT, sent_lsn
        PG_LSN, write_lsn PG_LSN, flush_lsn PG_LSN, replay_lsn PG_LSN, write_lag INTERVAL, flush_lag
        INTERVAL, replay_lag INTERVAL, sync_priority INT4, sync_state TEXT, reply_time TIMESTAMPTZ
    ]
    12161 pg_stat_user_tables 'v' statistics::pg_stat_user_tables [
        relid OID, schemaname NAME, relname NAME, seq_scan INT8, seq_tup_read INT8, idx_scan INT8,
        idx_tup_fetch INT8, n_tup_ins INT8, n_tup_upd INT8, n_tup_del INT8, n_tup_hot_upd INT8,
        n_live_tup INT8, n_dead_tup INT8, n_mod_since_analyze INT8, n_ins_since_vacuum INT8, last_vacuum
        TIMESTAMPTZ, last_autovacuum TIMESTAMPTZ, last_analyze TIMESTAMPTZ, last_autoanalyze
        TIMESTAMPTZ, vacuum_count INT8, autovacuum_count INT8, analyze_count INT8, autoanalyze_count
        INT8
    ]
    12053 pg_stats 'v' statistics::pg_stats [
        schemaname NAME, tablename NAME, attname NAME, inherited BOOL, null_frac FLOAT4, avg_width INT4,
        n_distinct FLOAT4, most_common_vals TEXT_ARRAY, most_common_freqs FLOAT4_ARRAY, histogram_bounds
        TEXT_ARRAY, correlation FLOAT4, most_common_elems TEXT_ARRAY, most_common_elem_freqs
        FLOAT4_ARRAY, elem_count_histogram FLOAT4_ARRAY
    ]
    12033 pg_tables 'v' views::pg_tables [
        schemaname NAME, tablename NAME, tableowner NAME, tablespace NAME, hasindexes BOOL, hasrules
        BOOL, hastriggers BOOL, rowsecurity BOOL
    ]
    12126 pg_timezone_names 'v' cluster::pg_timezone_names [
        name TEXT, abbrev TEXT, utc_offset INTERVAL, is_dst BOOL
    ]
    12014 pg_user 'v' cluster::pg_user [
        usename NAME, usesysid OID, usecreatedb BOOL, usesuper BOOL, userepl BOOL, usebypassrls BOOL,
        passwd TEXT, valuntil TIMESTAMPTZ, useconfig TEXT_ARRAY
    ]
    12028 pg_views 'v' views::pg_views [
        schemaname NAME, viewname NAME, viewowner NAME, definition TEXT
    ]
};

/// The relations of `information_schema`.
#[rustfmt::skip]
pub(super) static INFORMATION_SCHEMA: &[SystemRelation] = relations! { "information_schema":
    13236 applicable_roles 'v' none [
        grantee NAME, role_name NAME, is_grantable VARCHAR
    ]
    13250 character_sets 'v' none [
        character_set_catalog NAME, character_set_schema NAME, character_set_name NAME,
        character_repertoire NAME, form_of_use NAME, default_collate_catalog NAME,
        default_collate_schema NAME, default_collate_name NAME
    ]
    13260 check_constraints 'v' information_schema::check_constraints [
        constraint_catalog NAME, constraint_schema NAME, constraint_name NAME, check_clause VARCHAR
    ]
    13285 column_privileges 'v' none [
        grantor NAME, grantee NAME, table_catalog NAME, table_schema NAME, table_name NAME, column_name
        NAME, privilege_type VARCHAR, is_grantable VARCHAR
    ]
    13295 columns 'v' information_schema::columns [
        table_catalog NAME, table_schema NAME, table_name NAME, column_name NAME, ordinal_position INT4,
        column_default VARCHAR, is_nullable VARCHAR, data_type VARCHAR, character_maximum_length INT4,
        character_octet_length INT4, numeric_precision INT4, numeric_precision_radix INT4, numeric_scale
        INT4, datetime_precision INT4, interval_type VARCHAR, interval_precision INT4,
        character_set_catalog NAME, character_set_schema NAME, character_set_name NAME,
        collation_catalog NAME, collation_schema NAME, collation_name NAME, domain_catalog NAME,
        domain_schema NAME, domain_name NAME, udt_catalog NAME, udt_schema NAME, udt_name NAME,
        scope_catalog NAME, scope_schema NAME, scope_name NAME, maximum_cardinality INT4, dtd_identifier
        NAME, is_self_referencing VARCHAR, is_identity VARCHAR, identity_generation VARCHAR,
        identity_start VARCHAR, identity_increment VARCHAR, identity_maximum VARCHAR, identity_minimum
        VARCHAR, identity_cycle VARCHAR, is_generated VARCHAR, generation_expression VARCHAR,
        is_updatable VARCHAR
    ]
    13300 constraint_column_usage 'v' information_schema::constraint_column_usage [
        table_catalog NAME, table_schema NAME, table_name NAME, column_name NAME, constraint_catalog
        NAME, constraint_schema NAME, constraint_name NAME
    ]
    13305 constraint_table_usage 'v' information_schema::constraint_table_usage [
        table_catalog NAME, table_schema NAME, table_name NAME, constraint_catalog NAME,
        constraint_schema NAME, constraint_name NAME
    ]
    13320 domains 'v' none [
        domain_catalog NAME, domain_schema NAME, domain_name NAME, data_type VARCHAR,
        character_maximum_length INT4, character_octet_length INT4, character_set_catalog NAME,
        character_set_schema NAME, character_set_name NAME, collation_catalog NAME, collation_schema
        NAME, collation_name NAME, numeric_precision INT4, numeric_precision_radix INT4, numeric_scale
        INT4, datetime_precision INT4, interval_type VARCHAR, interval_precision INT4, domain_default
        VARCHAR, udt_catalog NAME, udt_schema NAME, udt_name NAME, scope_catalog NAME, scope_schema
        NAME, scope_name NAME, maximum_cardinality INT4, dtd_identifier NAME
    ]
    13493 element_types 'v' none [
        object_catalog NAME, object_schema NAME, object_name NAME, object_type VARCHAR,
        collection_type_identifier NAME, data_type VARCHAR, character_maximum_length INT4,
        character_octet_length INT4, character_set_catalog NAME, character_set_schema NAME,
        character_set_name NAME, collation_catalog NAME, collation_schema NAME, collation_name NAME,
        numeric_precision INT4, numeric_precision_radix INT4, numeric_scale INT4, datetime_precision
        INT4, interval_type VARCHAR, interval_precision INT4, domain_default VARCHAR, udt_catalog NAME,
        udt_schema NAME, udt_name NAME, scope_catalog NAME, scope_schema NAME, scope_name NAME,
        maximum_cardinality INT4, dtd_identifier NAME
    ]
    13325 enabled_roles 'v' information_schema::enabled_roles [
        role_name NAME
    ]
    13227 information_schema_catalog_name 'v' information_schema::information_schema_catalog_name [
        catalog_name NAME
    ]
    13329 key_column_usage 'v' information_schema::key_column_usage [
        constraint_catalog NAME, constraint_schema NAME, constraint_name NAME, table_catalog NAME,
        table_schema NAME, table_name NAME, column_name NAME, ordinal_position INT4,
        position_in_unique_constraint INT4
    ]
    13334 parameters 'v' none [
        specific_catalog NAME, specific_schema NAME, specific_name NAME, ordinal_position INT4,
        parameter_mode VARCHAR, is_result VARCHAR, as_locator VARCHAR, parameter_name NAME, data_type
        VARCHAR, character_maximum_length INT4, character_octet_length INT4, character_set_catalog NAME,
        character_set_schema NAME, character_set_name NAME, collation_catalog NAME, collation_schema
        NAME, collation_name NAME, numeric_precision INT4, numeric_precision_radix INT4, numeric_scale
        INT4, datetime_precision INT4, interval_type VARCHAR, interval_precision INT4, udt_catalog NAME,
        udt_schema NAME, udt_name NAME, scope_catalog NAME, scope_schema NAME, scope_name NAME,
        maximum_cardinality INT4, dtd_identifier NAME, parameter_default VARCHAR
    ]
    13339 referential_constraints 'v' information_schema::referential_constraints [
        constraint_catalog NAME, constraint_schema NAME, constraint_name NAME, unique_constraint_catalog
        NAME, unique_constraint_schema NAME, unique_constraint_name NAME, match_option VARCHAR,
        update_rule VARCHAR, delete_rule VARCHAR
    ]
    13421 role_table_grants 'v' information_schema::table_privileges [
        grantor NAME, grantee NAME, table_catalog NAME, table_schema NAME, table_name NAME,
        privilege_type VARCHAR, is_grantable VARCHAR, with_hierarchy VARCHAR
    ]
    13377 routines 'v' none [
        specific_catalog NAME, specific_schema NAME, specific_name NAME, routine_catalog NAME,
        routine_schema NAME, routine_name NAME, routine_type VARCHAR, module_catalog NAME, module_schema
        NAME, module_name NAME, udt_catalog NAME, udt_schema NAME, udt_name NAME, data_type VARCHAR,
        character_maximum_length INT4, character_octet_length INT4, character_set_catalog NAME,
        character_set_schema NAME, character_set_name NAME, collation_catalog NAME, collation_schema
        NAME, collation_name NAME, numeric_precision INT4, numeric_precision_radix INT4, numeric_scale
        INT4, datetime_precision INT4, interval_type VARCHAR, interval_precision INT4, type_udt_catalog
        NAME, type_udt_schema NAME, type_udt_name NAME, scope_catalog NAME, scope_schema NAME,
        scope_name NAME, maximum_cardinality INT4, dtd_identifier NAME, routine_body VARCHAR,
        routine_definition VARCHAR, external_name VARCHAR, external_language VARCHAR, parameter_style
        VARCHAR, is_deterministic VARCHAR, sql_data_access VARCHAR, is_null_call VARCHAR, sql_path
        VARCHAR, schema_level_routine VARCHAR, max_dynamic_result_sets INT4, is_user_defined_cast
        VARCHAR, is_implicitly_invocable VARCHAR, security_type VARCHAR, to_sql_specific_catalog NAME,
        to_sql_specific_schema NAME, to_sql_specific_name NAME, as_locator VARCHAR, created TIMESTAMPTZ,
        last_altered TIMESTAMPTZ, new_savepoint_level VARCHAR, is_udt_dependent VARCHAR,
        result_cast_from_data_type VARCHAR, result_cast_as_locator VARCHAR, result_cast_char_max_length
        INT4, result_cast_char_octet_length INT4, result_cast_char_set_catalog NAME,
        result_cast_char_set_schema NAME, result_cast_char_set_name NAME, result_cast_collation_catalog
        NAME, result_cast_collation_schema NAME, result_cast_collation_name NAME,
        result_cast_numeric_precision INT4, result_cast_numeric_precision_radix INT4,
        result_cast_numeric_scale INT4, result_cast_datetime_precision INT4, result_cast_interval_type
        VARCHAR, result_cast_interval_precision INT4, result_cast_type_udt_catalog NAME,
        result_cast_type_udt_schema NAME, result_cast_type_udt_name NAME, result_cast_scope_catalog
        NAME, result_cast_scope_schema NAME, result_cast_scope_name NAME,
        result_cast_maximum_cardinality INT4, result_cast_dtd_identifier NAME
    ]
    13382 schemata 'v' information_schema::schemata [
        catalog_name NAME, schema_name NAME, schema_owner NAME, default_character_set_catalog NAME,
        default_character_set_schema NAME, default_character_set_name NAME, sql_path VARCHAR
    ]
    13386 sequences 'v' information_schema::sequences [
        sequence_catalog NAME, sequence_schema NAME, sequence_name NAME, data_type VARCHAR,
        numeric_precision INT4, numeric_precision_radix INT4, numeric_scale INT4, start_value VARCHAR,
        minimum_value VARCHAR, maximum_value VARCHAR, increment VARCHAR, cycle_option VARCHAR
    ]
    13411 table_constraints 'v' information_schema::table_constraints [
        constraint_catalog NAME, constraint_schema NAME, constraint_name NAME, table_catalog NAME,
        table_schema NAME, table_name NAME, constraint_type VARCHAR, is_deferrable VARCHAR,
        initially_deferred VARCHAR, enforced VARCHAR, nulls_distinct VARCHAR
    ]
    13416 table_privileges 'v' information_schema::table_privileges [
        grantor NAME, grantee NAME, table_catalog NAME, table_schema NAME, table_name NAME,
        privilege_type VARCHAR, is_grantable VARCHAR, with_hierarchy VARCHAR
    ]
    13425 tables 'v' information_schema::tables [
        table_catalog NAME, table_schema NAME, table_name NAME, table_type VARCHAR,
        self_referencing_column_name NAME, reference_generation VARCHAR, user_defined_type_catalog NAME,
        user_defined_type_schema NAME, user_defined_type_name NAME, is_insertable_into VARCHAR, is_typed
        VARCHAR, commit_action VARCHAR
    ]
    13440 triggers 'v' none [
        trigger_catalog NAME, trigger_schema NAME, trigger_name NAME, event_manipulation VARCHAR,
        event_object_catalog NAME, event_object_schema NAME, event_object_table NAME, action_order INT4,
        action_condition VARCHAR, action_statement VARCHAR, action_orientation VARCHAR, action_timing
        VARCHAR, action_reference_old_table NAME, action_reference_new_table NAME,
        action_reference_old_row NAME, action_reference_new_row NAME, created TIMESTAMPTZ
    ]
    13463 user_defined_types 'v' none [
        user_defined_type_catalog NAME, user_defined_type_schema NAME, user_defined_type_name NAME,
        user_defined_type_category VARCHAR, is_instantiable VARCHAR, is_final VARCHAR, ordering_form
        VARCHAR, ordering_category VARCHAR, ordering_routine_catalog NAME, ordering_routine_schema NAME,
        ordering_routine_name NAME, reference_type VARCHAR, data_type VARCHAR, character_maximum_length
        INT4, character_octet_length INT4, character_set_catalog NAME, character_set_schema NAME,
        character_set_name NAME, collation_catalog NAME, collation_schema NAME, collation_name NAME,
        numeric_precision INT4, numeric_precision_radix INT4, numeric_scale INT4, datetime_precision
        INT4, interval_type VARCHAR, interval_precision INT4, source_dtd_identifier NAME,
        ref_dtd_identifier NAME
    ]
    13478 view_table_usage 'v' none [
        view_catalog NAME, view_schema NAME, view_name NAME, table_catalog NAME, table_schema NAME,
        table_name NAME
    ]
    13483 views 'v' information_schema::views [
        table_catalog NAME, table_schema NAME, table_name NAME, view_definition VARCHAR, check_option
        VARCHAR, is_updatable VARCHAR, is_insertable_into VARCHAR, is_trigger_updatable VARCHAR,
        is_trigger_deletable VARCHAR, is_trigger_insertable_into VARCHAR
    ]
};
