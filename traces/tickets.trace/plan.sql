-- mine (grep)
-- $mine_pattern_text = "u17"
-- $mine_pattern_text_2 = "u42"
-- $mine_pattern_text_3 = "u88"
CREATE TABLE "mine" AS
SELECT * FROM "tickets" WHERE (("user" = $mine_pattern_text) OR ("user" = $mine_pattern_text_2) OR ("user" = $mine_pattern_text_3));

-- topics (classify): a model is asked about each row of this query;
-- its answers become "topics_answers"
SELECT "#ord" AS "#key", "body" AS "shown 0" FROM "mine" ORDER BY "#key", "#ord";

-- topics (classify) -> billing (where)
-- $wanted_topic = "billing"
CREATE TABLE "billing" AS
WITH "topics" AS (
  SELECT t."id", t."user", t."sent", t."body", a."label" AS "topic", t."#ord", t."#row", t."#lo", t."#hi" FROM "mine" AS t JOIN "topics_answers" AS a ON t."#ord" = a."#key"
)
SELECT * FROM "topics" WHERE ("topic" = $wanted_topic);

-- answer_total (count)
CREATE TABLE "answer_total" AS
SELECT count(*) AS "value" FROM "billing";

-- answer_per_user_group (group) -> answer_per_user (sort)
CREATE TABLE "answer_per_user" AS
WITH "answer_per_user_group" AS (
  SELECT "user" AS "user", count(*) AS "n", min("#ord") AS "#ord", list(struct_pack("row" := "#row", lo := "#lo", hi := "#hi") ORDER BY "#ord") AS "#from" FROM "billing" GROUP BY "user"
)
SELECT "user", "n", row_number() OVER (ORDER BY "n" DESC NULLS LAST, "user" ASC NULLS LAST, "#ord") AS "#ord", "#from" FROM "answer_per_user_group";
