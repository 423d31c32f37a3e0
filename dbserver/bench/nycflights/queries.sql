-- Joins and aggregates over nycflights13; each must give what PostgreSQL gives.
select count(*), count(dep_time), min(time_hour), max(time_hour), sum(distance), avg(dep_delay) from flights;

select a.name, count(*) as flights, round(avg(f.arr_delay), 2) as delay
from flights f join airlines a using (carrier) group by a.name order by delay desc nulls last, a.name;

select f.dest, p.name, count(*) from flights f left join airports p on p.faa = f.dest
group by f.dest, p.name having count(*) > 5000 order by count(*) desc, f.dest;

select f.origin, f.month, count(*) filter (where f.dep_time is null) as cancelled, count(*) as total
from flights f group by f.origin, f.month order by f.origin, f.month;

select p.manufacturer, count(distinct f.tailnum), sum(f.air_time), max(p.seats)
from flights f join planes p on p.tailnum = f.tailnum group by p.manufacturer order by 2 desc, 1 limit 10;

select w.origin, round(avg(w.humid), 3), sum(w.precip), count(w.wind_gust), max(w.pressure), min(w.temp)
from weather w group by w.origin order by w.origin;

select f.origin, date_trunc('month', f.time_hour at time zone 'UTC') as m, count(*), sum(w.precip)
from flights f join weather w on w.origin = f.origin and w.time_hour = f.time_hour
group by f.origin, m order by f.origin, m;

select carrier, flight, count(*), min(arr_delay), max(arr_delay) from flights
group by carrier, flight order by count(*) desc, carrier, flight limit 15;

select f.tailnum, count(*) from flights f
where not exists (select 1 from planes p where p.tailnum = f.tailnum) and f.tailnum is not null
group by f.tailnum order by count(*) desc, f.tailnum limit 10;

with daily as (select year, month, day, avg(dep_delay) as delay, count(*) as n from flights group by year, month, day)
select month, day, round(delay, 4) as delay, n from daily where delay > (select avg(delay) * 3 from daily) order by delay desc, month, day;

select a.name, (select max(f.distance) from flights f where f.carrier = a.carrier) as farthest,
       (select count(*) from flights f where f.carrier = a.carrier and f.dest in (select faa from airports where tz = -8)) as to_pacific
from airlines a order by a.carrier;

select case when dep_delay <= 0 then 'early' when dep_delay < 60 then 'late' when dep_delay is null then 'cancelled' else 'very late' end as how,
       count(*), round(stddev(arr_delay), 6), sum(coalesce(air_time, 0)) from flights group by 1 order by 1;

select o.name, d.name, count(*) as n from flights f join airports o on o.faa = f.origin join airports d on d.faa = f.dest
join airlines l on l.carrier = f.carrier where l.name like '%Air%' group by o.name, d.name order by n desc, 1, 2 limit 12;

select dest from flights where origin = 'JFK' except select dest from flights where origin = 'EWR' order by dest;

select tzone, string_agg(faa, ',' order by faa) filter (where alt > 6000), count(*) from airports group by tzone order by tzone nulls first;

select distinct on (origin, carrier) origin, carrier, tailnum, arr_delay, time_hour from flights
where arr_delay is not null order by origin, carrier, arr_delay desc, time_hour, tailnum limit 20;

select a.faa, b.faa, round((a.lat - b.lat)::numeric, 4) from airports a cross join airports b
where a.alt > 8000 and b.alt > 8000 and a.faa < b.faa order by 1, 2;

select origin, extract(hour from sched_dep_time * interval '1 minute') as h, count(*) from flights
where month = 2 and day between 3 and 5 group by 1, 2 order by 1, 2;
