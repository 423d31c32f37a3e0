-- jsonb has an order of its own: objects, arrays, booleans, numbers, strings, null.
create table j (v jsonb);
insert into j values ('{"a":1}'), ('{"b":1,"a":2}'), ('{}'), ('[]'), ('[1,2]'), ('[3]'), ('"s"'), ('"a"'), ('null'), ('true'), ('false'), ('10'), ('9.5'), ('[[]]'), ('["x"]'), (null);
select v from j order by v;
select v from j order by v desc nulls last limit 3;
select '10'::jsonb < '9'::jsonb as a, '1.0'::jsonb = '1'::jsonb as b, '[]'::jsonb < 'null'::jsonb as c, '{}'::jsonb > '[1]'::jsonb as d, '"x"'::jsonb <= 'null'::jsonb as e;
select array_agg(v order by v) from j where jsonb_typeof(v) = 'number';
-- char(n) is padded where any type goes.
create table b (w char(4));
insert into b values ('a'), ('bc'), (null);
select concat(w, '|'), concat_ws('-', w, w), format('%s|', w), octet_length(w), length(w), to_json(w), w || '|' as joined from b order by w;
-- A parameter that no one gave.
select $1::int;
select a from (values (1)) v (a) where a = $2;
-- Objects by name, found by key.
create table keyed (id int primary key, c regclass);
insert into keyed values (1, 'b'), (2, 'pg_class');
select c from keyed where id = 1;
select id::regclass, c from keyed where id = 2;
prepare reg (regclass) as select $1 as c, relname from pg_class where oid = $1;
execute reg ('pg_type');
execute reg ('nothing');
-- Powers and signs of what is no number.
select sign('NaN'::float8) as a, '-Infinity'::float8 ^ 2 as b;
select '-Infinity'::float8 ^ 0.5::float8;
select 'x'::jsonb;
select '"x"'::jsonb -> 0 as a, '"x"'::jsonb ->> 0 as b, '1'::jsonb -> -1 as c, '"x"'::jsonb -> 1 as d, '"x"'::json -> 0 as e;
select trim_array('[2:4]={5,6,7}'::int[], 1);
select x between symmetric 3 and 1 as a, x not between symmetric 3 and 1 as b from (values (1), (2), (4)) v (x);
