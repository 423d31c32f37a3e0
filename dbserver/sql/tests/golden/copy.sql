-- COPY
create table t (a int primary key, b text, c numeric default 1.5);
copy t from stdin;
1	one	1.25
2	\N	\N
3	tab\there\\	3
\.
select * from t order by a;
copy t (a, b) from stdin with (format csv, header);
a,b
4,"quoted, ""text"""
5,
6,""
\.
select a, b, b is null as isnull, c from t where a > 3 order by a;
copy t to stdout;
copy t to stdout (format csv, header);
copy t (b, a) to stdout with delimiter '|' null 'NULL';
copy (select a, b from t where a > 4 order by a desc) to stdout csv force quote b;
copy t from stdin csv delimiter ';' quote '''';
7;'it''s';7
\.
select * from t where a = 7;
copy t from stdin;
8	eight
\.
copy t from stdin;
8	eight	8	extra
\.
copy t from stdin;
8	eight	8
x	nine	9
\.
copy t (a, c) from stdin;
9	abc
\.
copy t from stdin;
10	ten	10
1	again	1
\.
create table n (a int not null, b int check (b > 0));
copy n from stdin;
1	1
\N	2
\.
copy n from stdin;
1	1
2	-2
\.
copy n from stdin where b > 5;
1	1
2	10
\.
select * from n;
copy nosuch from stdin;
copy t (nosuch) from stdin;
copy t to stdout (format nonsense);
copy t from stdin with (format csv, header match);
a,b,c
11,eleven,11
\.
copy t from stdin with (format csv, header match);
a,x,c
12,twelve,12
\.
copy t from stdin with (format csv, null 'NULL', force_not_null (b));
13,NULL,NULL
\.
select * from t where a > 10 order by a;
begin;
truncate t;
copy t from stdin with (freeze);
1	x	2
\.
commit;
select * from t;
drop table t, n;
