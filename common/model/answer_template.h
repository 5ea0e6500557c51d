/*
 * answer_template.h - the words that Qwen3-Reranker is asked with.
 */
#ifndef RMR_MODEL_ANSWER_TEMPLATE_H
#define RMR_MODEL_ANSWER_TEMPLATE_H

#define RMR_ANSWER_BEFORE                                                      \
    "<|im_start|>system\n"                                                     \
    "Judge whether the Document meets the requirements based on the Query "    \
    "and the Instruct provided. Note that the answer can only be \"yes\" or "  \
    "\"no\".<|im_end|>\n"                                                      \
    "<|im_start|>user\n"
#define RMR_ANSWER_AFTER                                                       \
    "<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n"

/* Between these, each followed by what it names. */
#define RMR_ANSWER_INSTRUCT "<Instruct>: "
#define RMR_ANSWER_QUERY "\n<Query>: "
#define RMR_ANSWER_DOCUMENT "\n<Document>: "

#define RMR_ANSWER_INSTRUCTION                                                 \
    "Given a web search query, retrieve relevant passages that answer the "    \
    "query"

#endif
