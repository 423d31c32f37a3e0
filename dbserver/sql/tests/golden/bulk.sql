-- Rows by the ten thousand: in the order of their keys, in another one, with a key that comes twice.
create table plain as select i as a, repeat('x', 60) as b from generate_series(1, 60000) i;
select count(*), sum(a), min(length(b)) from plain;
insert into plain select i, 'y' from generate_series(60001, 60003) i;
insert into plain select a + 100000, b from plain;
select count(*), sum(a), max(a) from plain;
-- In order.
alter table plain add primary key (a);
select count(*), sum(a) from plain;
select b from plain where a = 60002;
insert into plain values (60002, 'again');
-- In reverse, and half of it in order before.
create table reverse as select case when i <= 40000 then i else 200000 - i end as a, repeat('z', 60) as b from generate_series(1, 80000) i;
alter table reverse add primary key (a);
select count(*), sum(a), min(a), max(a) from reverse;
select a, left(b, 3) from reverse order by a limit 3;
insert into reverse select 500000 - i, 'r' from generate_series(1, 50000) i;
insert into reverse select 600000 - i % 40000, 'r' from generate_series(1, 50000) i;
select count(*) from reverse;
-- Twice: side by side, and far apart.
create table twice as select case when i <= 40000 then i else i - 1 end as a, repeat('w', 60) as b from generate_series(1, 80000) i;
alter table twice add primary key (a);
select count(*), sum(a) from twice;
create table apart as select i % 70000 as a, repeat('w', 60) as b from generate_series(1, 70001) i;
alter table apart add primary key (a);
create index on apart (a);
select count(*) from apart where a = 1;
-- A savepoint and a rollback take all of it back.
begin;
create table gone as select i from generate_series(1, 100000) i;
savepoint s;
insert into gone select i from generate_series(1, 100000) i;
select count(*) from gone;
rollback to s;
select count(*) from gone;
rollback;
with more as (insert into plain select i + 1000000, repeat('m', 60) from generate_series(1, 60000) i returning a) select count(*), sum(a) from more;
select count(*) from plain;
create table empty as select 1 as a where false;
select count(*) from empty;
