-- answer_classify (classify): a model is asked about each row of this query;
-- its answers become "answer_classify_answers"
SELECT "#ord" AS "#key", "text" AS "shown 0" FROM "reviews" ORDER BY "#key", "#ord";

-- answer_classify (classify) -> answer (select)
CREATE TABLE "answer" AS
WITH "answer_classify" AS (
  SELECT t."id", t."text", t."mood", t."topic", a."label" AS "found", t."#ord", t."#row", t."#lo", t."#hi" FROM "reviews" AS t JOIN "answer_classify_answers" AS a ON t."#ord" = a."#key"
)
SELECT "topic" AS "topic", "found" AS "found", "#ord", "#row", "#lo", "#hi" FROM "answer_classify";
