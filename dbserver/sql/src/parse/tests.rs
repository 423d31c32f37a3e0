use super::*;

#[track_caller]
fn error(sql: &str) -> (String, u32) {
    let e = parse(sql).unwrap_err();
    (e.fields().message.clone(), e.fields().position)
}

#[test]
fn statements_keep_their_own_text() {
    let all = parse("select 1; ;  select ';' -- ; \n; /* ; */ values (1)").unwrap();
    let texts: Vec<_> = all.iter().map(|s| (s.text.as_str(), s.offset)).collect();
    assert_eq!(texts, [("select 1", 0), ("select ';'", 13), ("values (1)", 40)]);
    assert!(parse(" -- nothing\n ;").unwrap().is_empty());
}

#[test]
fn syntax_errors_are_postgresqls() {
    assert_eq!(error("selec 1"), ("syntax error at or near \"selec\"".into(), 1));
    assert_eq!(error("select 1 from"), ("syntax error at end of input".into(), 14));
    assert_eq!(error("select * from t where"), ("syntax error at end of input".into(), 22));
    assert_eq!(error("select 1 +;"), ("syntax error at or near \";\"".into(), 11));
    assert_eq!(error("select 'ä' from t t u"), ("syntax error at or near \"u\"".into(), 21));
    assert_eq!(error("select 'abc"), ("unterminated quoted string at or near \"'abc\"".into(), 8));
}

#[test]
fn hostile_texts_are_refused_without_a_deep_stack() {
    let nested = format!("select {}1{}", "(".repeat(100_000), ")".repeat(100_000));
    assert_eq!(parse(&nested).unwrap_err().sqlstate(), "54001");
    let plus = format!("select {}1", "1+".repeat(1_000_000));
    assert_eq!(parse(&plus).unwrap_err().sqlstate(), "54001");
    let ands = format!("select 1 where {}true", "true and ".repeat(1_000_000));
    assert_eq!(parse(&ands).unwrap_err().sqlstate(), "54001");
    let nots = format!("select {} true", "not ".repeat(100_000));
    assert_eq!(parse(&nots).unwrap_err().sqlstate(), "54001");
    let cases = format!("select {} 1", "case when ".repeat(100_000));
    assert_eq!(parse(&cases).unwrap_err().sqlstate(), "54001");
    let list = format!("select 1 where 1 in ({}1)", "1,".repeat(200_000));
    assert_eq!(parse(&list).unwrap().len(), 1);
    let fine = format!("select 1 where {}true", "1 + 1 = 2 and ".repeat(3_000));
    assert_eq!(parse(&fine).unwrap().len(), 1);
}

#[test]
fn moderate_nesting_parses_quickly() {
    let nested = format!("select {}1{}", "(".repeat(150), ")".repeat(150));
    parse(&nested).unwrap();
    let calls = format!("select {}1{}", "abs(".repeat(100), ")".repeat(100));
    parse(&calls).unwrap();
    let subqueries = format!("select {}1{}", "(select ".repeat(60), ")".repeat(60));
    parse(&subqueries).unwrap();
    let from = format!("select * from {}t{}", "(select * from ".repeat(60), ") x".repeat(60));
    parse(&from).unwrap();
    let cases = format!("select {}1{}", "case when true then ".repeat(60), " end".repeat(60));
    parse(&cases).unwrap();
}

#[test]
fn what_clients_send_parses() {
    let mut failures = String::new();
    for sql in include_str!("testdata/clients.sql").split(";\n") {
        if let Err(e) = parse(sql) {
            failures.push_str(&format!("{sql}\n  {} {}\n", e.fields().message, e.fields().position));
        }
    }
    assert!(failures.is_empty(), "{failures}");
}

fn normalized(sql: &str) -> Option<(String, Vec<String>)> {
    parameterize(sql).map(|p| (p.text, p.literals.iter().map(|l| format!("{:?} {}", l.ty, l.text)).collect()))
}

#[test]
fn pgbench_statements_share_their_text() {
    assert_eq!(
        normalized("UPDATE pgbench_accounts SET abalance = abalance + -4523 WHERE aid = 71;").unwrap(),
        (
            "UPDATE pgbench_accounts SET abalance = abalance + $1 WHERE aid = $2;".into(),
            vec!["int4 -4523".into(), "int4 71".into()]
        )
    );
    assert_eq!(
        normalized("SELECT abalance, 1 FROM pgbench_accounts WHERE aid = 3000000000").unwrap(),
        ("SELECT abalance, 1 FROM pgbench_accounts WHERE aid = $1".into(), vec!["int8 3000000000".into()])
    );
    let insert =
        "INSERT INTO h (tid, bid, filler) VALUES (1, -2, 'it''s'), (-2147483648, 1.5, CURRENT_TIMESTAMP);";
    assert_eq!(
        normalized(insert).unwrap(),
        (
            "INSERT INTO h (tid, bid, filler) VALUES ($1, $2, $3), ($4, $5, CURRENT_TIMESTAMP);".into(),
            ["int4 1", "int4 -2", "unknown it's", "int4 -2147483648", "numeric 1.5"]
                .map(String::from)
                .to_vec()
        )
    );
    assert_eq!(
        normalized("delete from t where a in (1, 2) and (b = 'x' or c between 3 and 4) returning 5")
            .unwrap()
            .0,
        "delete from t where a in ($1, $2) and (b = $3 or c between $4 and $5) returning 5"
    );
}

#[test]
fn doubtful_literals_stay() {
    for sql in [
        "select 1",
        "select a from t where d > now() - interval '1 day'",
        "select a from t where d = date '2020-01-01'",
        "select a from t where f(1, 'x')",
        "select a from t where a = 1::int2",
        "select a from t where a = cast('1' as numeric(10,2))",
        "select a from t where a like 'x%'",
        "select a from t where a = $1",
        "select a from t where a = (select 1)",
        "select a from t where a = 'x' 'y'",
        "select a from t where a[1] = 2",
        "with x as (select 1) select a from x where a = 1",
        "select a from t where a = 1; select 2",
        "select a from t order by 1 limit 10",
        "create table t (a numeric(10, 2))",
        "select a from t where t at time zone 'UTC'",
        "select a from t where 'x' collate \"C\" > b",
    ] {
        assert_eq!(normalized(sql), None, "{sql}");
    }
    assert_eq!(
        normalized("select a from t where a = 1 order by 1 limit 10 for update").unwrap().0,
        "select a from t where a = $1 order by 1 limit 10 for update"
    );
}
