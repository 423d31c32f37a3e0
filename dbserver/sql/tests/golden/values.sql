-- A parameter that no one gave.
select $1::int;
select a from (values (1)) v (a) where a = $1;
-- Objects by name, found by key.
create table b (w int);
create table keyed (id int primary key, c regclass);
insert into keyed values (1, 'b'), (2, 'pg_class');
select c from keyed where id = 1;
select id::regclass, c from keyed where id = 2;
insert into keyed values (3, 'b') returning c;
update keyed set c = 'pg_type' where id = 3 returning c;
delete from keyed where id = 3 returning c, array[c];
prepare reg (regclass) as select $1 as c, relname from pg_class where oid = $1;
execute reg ('pg_type');
execute reg ('nothing');
