-- rows (extract) -> mine (where)
-- $rows_pattern = "(^Date: (?P<day>.+?) \\|\\| User: (?P<user>\\d+) \\|\\| Instance: (?P<instance>.*)$)"
-- $rows_matching_text = "Date: "
-- $rows_matching_text_2 = "|| User: "
-- $rows_matching = "^Date: (?P<day>.+?) \\|\\| User: (?P<user>\\d+) \\|\\| Instance: (?P<instance>.*)$"
-- $wanted_user = [18626, 20041, 20317, 26527, 30761, 34490, 38166, 64406, 68917, 76836]
CREATE TABLE "mine" AS
WITH "rows" AS (
  SELECT "line", "text", "#m".g1 AS "day", CASE WHEN regexp_full_match(trim("#m".g2, concat(' ', chr(9), chr(10), chr(11), chr(12), chr(13))), '[+-]?\d+') THEN TRY_CAST(trim("#m".g2, concat(' ', chr(9), chr(10), chr(11), chr(12), chr(13))) AS BIGINT) END AS "user", "#m".g3 AS "instance", "#ord", "#row", CASE WHEN strlen("text") = "#hi" - "#lo" THEN "#lo" + 0 ELSE "#lo" END AS "#lo", CASE WHEN strlen("text") = "#hi" - "#lo" THEN "#lo" + 0 + strlen("#m".g0) ELSE "#hi" END AS "#hi" FROM (SELECT *, regexp_extract("text", $rows_pattern, ['g0', 'g1', 'g2', 'g3']) AS "#m" FROM "oolong" WHERE (starts_with("text", $rows_matching_text) AND contains("text", $rows_matching_text_2) AND regexp_matches("text", $rows_matching)))
)
SELECT * FROM "rows" WHERE list_contains($wanted_user::BIGINT[], "user");

-- labelled (classify): a model is asked about each row of this query;
-- its answers become "labelled_answers"
SELECT "#ord" AS "#key", "instance" AS "shown 0" FROM "mine" ORDER BY "#key", "#ord";

-- labelled (classify) -> counts_group (group) -> counts (sort)
CREATE TABLE "counts" AS
WITH "labelled" AS (
  SELECT t."line", t."text", t."day", t."user", t."instance", a."label" AS "label", t."#ord", t."#row", t."#lo", t."#hi" FROM "mine" AS t JOIN "labelled_answers" AS a ON t."#ord" = a."#key"
),
"counts_group" AS (
  SELECT "label" AS "label", count(*) AS "n", min("#ord") AS "#ord", list(struct_pack("row" := "#row", lo := "#lo", hi := "#hi") ORDER BY "#ord") AS "#from" FROM "labelled" GROUP BY "label"
)
SELECT "label", "n", row_number() OVER (ORDER BY "n" DESC NULLS LAST, "label" ASC NULLS LAST, "#ord") AS "#ord", "#from" FROM "counts_group";

-- answer (first)
CREATE TABLE "answer" AS
SELECT (SELECT "label" FROM "counts" ORDER BY "#ord" LIMIT 1) AS "value";
