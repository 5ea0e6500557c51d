.load ./remora
.mode box
.log stdout
insert into remora_models(name,path) values('m','/tmp');
select * from remora_models;
select length(embed('x')), length(embed('x','m')), embed(NULL), token_count('a b c');
select embed_cosine(embed('a'),embed('a')), embed_cosine(embed('a'), embed('b'));
select substr(embed_to_json(embed('x')),1,50), typeof(embed_to_json(x'0000803f'));
select embed_to_json(x'0000803f000000bf');
select length(embed(replace(hex(zeroblob(400)),'00','word ')));
