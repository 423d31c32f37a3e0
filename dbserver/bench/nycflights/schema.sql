create table airlines (carrier text primary key, name text not null);
create table airports (faa text primary key, name text not null, lat double precision, lon double precision, alt int, tz int, dst char(1), tzone text);
create table planes (tailnum text primary key, year int, type text, manufacturer text, model text, engines int, seats int, speed int, engine text);
create table weather (origin text not null, year int, month int, day int, hour int, temp double precision, dewp double precision, humid numeric(5,2),
  wind_dir int, wind_speed double precision, wind_gust double precision, precip numeric(6,2), pressure numeric(6,1), visib double precision, time_hour timestamptz);
create table flights (year int, month int, day int, dep_time int, sched_dep_time int, dep_delay int, arr_time int, sched_arr_time int, arr_delay int,
  carrier text not null, flight int, tailnum text, origin text not null, dest text not null, air_time int, distance int, hour int, minute int, time_hour timestamptz);
