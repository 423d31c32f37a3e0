-- Advisory locks of one session.
select pg_try_advisory_lock(1), pg_try_advisory_lock(1), pg_try_advisory_lock_shared(1, 2);
select pg_advisory_unlock(1), pg_advisory_unlock(1), pg_advisory_unlock_shared(1, 2);
select pg_advisory_lock(3), pg_advisory_lock_shared(3), pg_advisory_lock(3, 4);
begin;
select pg_advisory_xact_lock(5), pg_try_advisory_xact_lock(5, 6), pg_try_advisory_xact_lock_shared(7);
savepoint s;
select pg_advisory_xact_lock_shared(8);
rollback to s;
commit;
select pg_advisory_unlock_all();
select pg_advisory_lock(9::smallint);
unlisten *;
discard all;
