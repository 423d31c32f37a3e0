-- Foreign keys.
create table p (id int primary key, name text unique, x int);
create table c (id int primary key, p_id int references p, note text);
insert into p values (1, 'one', 10), (2, 'two', 20), (3, 'three', 30);
insert into c values (1, 1), (2, 2), (3, null);
insert into c values (4, 9);
insert into c select 5, 8;
update c set p_id = 7 where id = 1;
update c set p_id = 3 where id = 1;
delete from p where id = 3;
update p set id = 30 where id = 3;
update p set x = 31 where id = 3;
delete from p where id = 1;
truncate p;
drop table p;
alter table p drop constraint p_pkey;
alter table p drop column id;
-- A statement is looked at as a whole.
create table tree (id int primary key, parent int references tree);
insert into tree values (2, 1), (1, null), (3, 2);
delete from tree where id = 1;
delete from tree;
-- Actions.
create table cas (id int primary key, p_id int references p on delete cascade on update cascade);
create table cas2 (id int primary key, cas_id int references cas (id) on delete cascade);
create table sn (id int, p_id int references p on delete set null on update set null);
create table sd (id int, p_id int default 2 references p on delete set default on update set default);
create table re (id int, p_id int references p on delete restrict on update restrict);
insert into p values (40, 'forty', 1), (41, 'forty-one', 2);
insert into cas values (1, 40), (2, 41);
insert into cas2 values (1, 1), (2, 2);
insert into sn values (1, 40), (2, 41);
insert into sd values (1, 40), (2, 41);
update p set id = 50 where id = 40;
select * from cas order by id;
select * from sn order by id;
select * from sd order by id;
delete from p where id in (50, 41);
select * from cas order by id;
select * from cas2 order by id;
select * from sn order by id;
delete from p where id = 2;
insert into re values (1, 3);
delete from p where id = 3;
update p set id = 33 where id = 3;
-- Several columns, any order, another unique key, types that differ.
create table two (a int, b bigint, t text, primary key (a, b), unique (b, a));
create table ref2 (x bigint, y int, foreign key (x, y) references two (b, a) on update cascade);
insert into two values (1, 2, 'x');
insert into ref2 values (2, 1), (null, 5), (7, null);
insert into ref2 values (1, 2);
update two set b = 20;
select * from ref2 order by 1;
delete from two;
create table byname (n varchar(10) references p (name) match full);
insert into byname values ('one'), ('nine');
insert into byname values ('one');
create table full2 (a int, b bigint, foreign key (a, b) references two match full);
insert into full2 values (1, null);
insert into full2 values (null, null), (1, 20);
-- What cannot be.
create table bad (a text references p);
create table bad (a int references two (a));
create table bad (a int references nowhere);
create table bad (a int references p (nocolumn));
create table bad (a int, foreign key (b) references p);
create table bad (a int references two);
create table nokey (a int);
create table bad (a int references nokey);
-- Later.
create table late (id int, p_id int);
insert into late values (1, 1), (2, 99);
alter table late add foreign key (p_id) references p;
alter table late add constraint late_fk foreign key (p_id) references p not valid;
insert into late values (3, 98);
alter table late validate constraint late_fk;
delete from late where id = 2;
alter table late validate constraint late_fk;
alter table late add column q int references p (id);
alter table late rename constraint late_fk to late_key;
insert into late values (3, 98);
alter table late drop constraint late_key;
insert into late values (3, 98);
alter table late drop column p_id;
-- Deferred.
create table d (id int primary key, p_id int references p deferrable initially deferred, q int references p deferrable);
begin;
insert into d values (1, 100, null);
insert into p values (100, 'hundred', 0);
commit;
begin;
insert into d values (2, 101, null);
commit;
select * from d;
begin;
insert into d values (2, 101, null);
update d set p_id = 100 where id = 2;
commit;
begin;
insert into d values (3, 101, null);
set constraints all immediate;
rollback;
begin;
set constraints d_q_fkey deferred;
insert into d values (4, 100, 102);
insert into p values (102, 'x', 0);
set constraints d_q_fkey immediate;
insert into d values (5, 100, 103);
rollback;
begin;
savepoint a;
insert into d values (6, 104, null);
rollback to a;
commit;
begin;
delete from p where id = 100;
insert into p values (100, 'again', 0);
commit;
insert into d values (7, 105, null);
set constraints nothing deferred;
begin;
set constraints nothing deferred;
rollback;
begin;
set constraints c_p_id_fkey deferred;
rollback;
-- The catalog.
select conname, contype, condeferrable, condeferred, convalidated, confupdtype, confdeltype, confmatchtype, conkey, confkey, conrelid::regclass, confrelid::regclass, conindid::regclass from pg_constraint where contype = 'f' order by conname;
select conname, pg_get_constraintdef(oid) from pg_constraint where contype = 'f' order by conname;
select constraint_name, unique_constraint_name, match_option, update_rule, delete_rule from information_schema.referential_constraints order by 1;
select constraint_name, table_name, constraint_type, is_deferrable, initially_deferred from information_schema.table_constraints where constraint_type = 'FOREIGN KEY' order by 1;
select constraint_name, table_name, column_name, ordinal_position, position_in_unique_constraint from information_schema.key_column_usage where table_name in ('ref2', 'd') order by 1, 4;
select constraint_name, table_name, column_name from information_schema.constraint_column_usage where constraint_name like '%fkey' order by 1, 2, 3;
-- Dropping.
truncate two;
truncate two, ref2, full2;
truncate p cascade;
alter table two drop constraint two_pkey;
alter table two drop constraint two_pkey cascade;
drop table p cascade;
insert into c values (100, 1000);
select count(*) from pg_constraint where contype = 'f';
-- By COPY, prepared, and ON CONFLICT.
create table q (id int primary key);
create table r (id int primary key, q_id int references q on delete cascade);
insert into q values (1), (2);
copy r from stdin;
1	1
2	2
\.
copy r from stdin;
3	1
4	5
\.
insert into r values (1, 2) on conflict (id) do update set q_id = excluded.q_id;
insert into r values (1, 6) on conflict (id) do update set q_id = excluded.q_id;
insert into r values (1, 6) on conflict do nothing;
prepare ins (int, int) as insert into r values ($1, $2) returning *;
execute ins (10, 2);
execute ins (11, 7);
with gone as (delete from q where id = 2 returning id) select * from gone;
select * from r order by id;
