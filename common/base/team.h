/*
 * team.h - one batch of work spread over several threads: a leader, who has
 * the batch, and helpers, who come while they have nothing better to do and may
 * leave after any unit. A team must never make its leader wait for a helper
 * that has begun nothing, nor keep a CPU busy while no batch is open.
 */
#ifndef RMR_BASE_TEAM_H
#define RMR_BASE_TEAM_H

#include <stddef.h>

typedef struct rmr_team rmr_team;

/* One unit of a phase, for the thread that has the number `member`. */
typedef void rmr_team_task(void *context, size_t unit, unsigned member);

/* Asks for one more helper, which may come later, or never. Must not block. */
typedef void rmr_team_invite(void *context);

/* Whether a helper has something better to do. Asked often. */
typedef int rmr_team_leave(void *context);

/* A team of at most `members` threads, the leader counted. NULL: out of
 * memory. It may be freed when no thread leads or helps any more. */
rmr_team *rmr_team_new(unsigned members, rmr_team_invite *invite,
                       void *context);
void rmr_team_free(rmr_team *team);

/* ------------------------------------------------------------- the leader */

/* Begins and ends a batch: helpers may come from open to close. */
void rmr_team_open(rmr_team *team);
void rmr_team_close(rmr_team *team);

/* No member's number is as large, whoever helps; 1 without a team. */
unsigned rmr_team_members(const rmr_team *team);

/*
 * One phase: runs the task once for each unit of [0, count), on the calling
 * thread, whose number is 0, and on the helpers of the moment; never two at
 * once with the same number. When it returns, all units are done and what they
 * wrote is visible to the caller, and to every unit of later phases. Without a
 * team (NULL), all of it runs here, in order. A task must not run a phase.
 */
void rmr_team_run(rmr_team *team, size_t count, rmr_team_task *task,
                  void *context);

/* ------------------------------------------------------------- any thread */

/* Helpers that an open team lacks of its full number; 0 when it is closed. */
unsigned rmr_team_vacancies(const rmr_team *team);

/*
 * Helps, as a member from 1 to members - 1 that no other thread is meanwhile,
 * until the batch ends, or `leave` says so, or no phase began for a while.
 * Returns 0 in the last case: better wait to be invited than come back.
 */
int rmr_team_help(rmr_team *team, unsigned member, rmr_team_leave *leave,
                  void *context);

#endif
