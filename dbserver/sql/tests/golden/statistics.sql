-- ANALYZE of tables that fit its sample, where nothing is left to chance.
create table s (id int primary key, few int, half text, once numeric, empty int, wide varchar(10), b bool, d date, f float8, j json);
select reltuples, relpages from pg_class where relname = 's';
insert into s select i, i % 5, case when i % 2 = 0 then 'v' || i % 20 end, i * 1.5, null, left(md5(i::text), 1 + i % 7), i % 3 = 0, date '2024-01-01' + i % 30, i / 7.0, '{}' from generate_series(1, 1000) i;
analyze s;
select reltuples, relpages > 0 as has_pages from pg_class where relname = 's';
select attname, null_frac, n_distinct, most_common_vals, most_common_freqs, array_length(histogram_bounds::text::text[], 1) as bounds, correlation from pg_stats where tablename = 's' order by attname;
select attname, avg_width from pg_stats where tablename = 's' and attname <> 'once' order by attname;
select histogram_bounds from pg_stats where tablename = 's' and attname in ('id', 'f', 'once') order by attname;
select staattnum, stainherit, stanullfrac, stadistinct, stakind1, stakind2, stakind3, staop1, staop2, stacoll1 from pg_statistic where starelid = 's'::regclass order by staattnum;
-- Repeated values among many.
create table m (v int, w text);
insert into m select case when i % 10 < 6 then i % 3 else i end, 'x' from generate_series(1, 2000) i;
insert into m values (null, null), (null, 'y');
analyze m(v);
select attname, null_frac, n_distinct, array_length(most_common_vals::text::text[], 1) as common from pg_stats where tablename = 'm';
select most_common_vals, most_common_freqs from pg_stats where tablename = 'm';
analyze m;
select attname, null_frac, avg_width, n_distinct, correlation from pg_stats where tablename = 'm' order by 1;
-- Definitions carry statistics along, and drop them with what they describe.
alter table m rename column w to ww;
select attname from pg_stats where tablename = 'm' order by 1;
alter table m alter column v type bigint;
select attname from pg_stats where tablename = 'm' order by 1;
alter table m drop column ww;
select attname from pg_stats where tablename = 'm' order by 1;
drop table m;
select count(*) from pg_stats where tablename = 'm';
-- Transactions.
create table t (a int);
insert into t select generate_series(1, 10);
begin;
analyze t;
select attname, n_distinct from pg_stats where tablename = 't';
rollback;
select attname, n_distinct from pg_stats where tablename = 't';
begin read only;
analyze t;
commit;
select attname, n_distinct from pg_stats where tablename = 't';
vacuum analyze t;
vacuum (analyze, verbose false) t;
analyze (verbose false) t (a);
begin;
vacuum analyze t;
rollback;
-- Errors.
analyze nope;
analyze t (b);
analyze t (a, a);
create view v as select 1 as one;
analyze v;
vacuum v;
create table nothing (a int);
analyze nothing;
select reltuples, relpages from pg_class where relname = 'nothing';
select count(*) from pg_stats where tablename = 'nothing';
