-- A length cast keeps truncating where its value is taken for another type.
create table t (b text, c numeric(10,2), w char(4));
insert into t values ('x y', 6.155, 'a'), ('abc', null, 'b'), (null, 1, null);
select max(b::varchar(2)) from t;
select (b::varchar(2))::text || '!' as v from t order by 1;
select case when true then c::numeric(20,4) else ceil(1.5) end as n from t order by 1;
select b::varchar(1)::text as g, count(*) from t group by b::varchar(1) order by 1;
select v || '|' from (select b::varchar(2) as v from t) q order by 1;
select ('abcdef'::char(3))::text || 'x' as v;
-- x <> ALL of an empty array is true for null: an outer join below stays one.
create table l (a int);
insert into l values (1), (2);
select l.a, r.a from l left join (select 1 as a) r on r.a = l.a where r.a <> all('{}'::int[]) order by 1;
select l.a, r.a from l left join (select 1 as a) r on r.a = l.a where not (r.a = any('{}'::int[])) order by 1;
select l.a, r.a from l left join (select 1 as a) r on r.a = l.a where r.a = any('{1,2}'::int[]) order by 1;
-- NULLIF gives its first operand as the comparison takes it.
select nullif(null, 2) as a, pg_typeof(nullif(null, 2)) as b, pg_typeof(nullif(1, 2.5)) as c, nullif(3, 3) as d;
-- Names of columns.
select case when true then 1 end::bigint, '1'::int::text, true::text, (select 1::int8), array[1]::text, interval '1 day'::text, case when true then b end::varchar from t limit 0;
-- char(n) is padded where any type goes.
select concat(w, '|'), concat_ws('-', w, w), format('%s|', w), length(w), w || '|' as joined from t order by w;
select '-Infinity'::float8 ^ 0.5::float8;
select '-Infinity'::float8 ^ 2 as a, (-8) ^ 3 as b;
select sign('NaN'::float8) as a, sign(0::float8) as b, sign(-0.5::float8) as c;
