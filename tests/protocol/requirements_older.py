"""What a 2026-07-28 client may rely on in front of a legacy server, and the tests that hold it."""

from typing import Final

__all__ = ["HELD"]

HELD: Final[dict[str, tuple[str, tuple[str, ...]]]] = {
    "older-found": (
        "A legacy server is known by its refusal, and nothing runs twice.",
        (
            "test_a_server_that_refuses_as_legacy_ones_do_is_spoken_to_in_a_session",
            "test_an_older_server_without_sessions_is_known_by_its_answer_to_discover",
            "test_a_server_that_can_be_discovered_and_names_older_revisions_only_is_an_older_one",
            "test_each_way_of_refusing_leads_to_a_session",
            "test_what_a_modern_server_answers_is_never_said_again",
            "test_a_refusal_of_what_opens_no_session_either_passes_as_it_came",
            "test_a_session_that_the_server_lost_is_opened_anew_and_nothing_runs_twice",
            "test_a_server_that_became_modern_is_found_out",
            "test_one_of_several_servers_may_be_an_older_one",
        ),
    ),
    "older-table": (
        "Every message has its way, in the code and in the documentation.",
        (
            "test_every_message_stands_in_the_table",
            "test_the_documented_table_is_the_one_in_the_code",
            "test_a_request_that_is_not_bridged_never_reaches_the_server",
            "test_a_question_that_is_not_bridged_is_refused_to_the_server",
            "test_a_notification_that_2026_does_not_know_is_dropped",
        ),
    ),
    "older-session": (
        "Sessions are ours, one for each person, client, grant and set of capabilities.",
        (
            "test_what_a_session_is_for_is_declared_once_and_the_session_used_again",
            "test_two_people_never_share_a_session",
            "test_a_session_id_that_a_client_sends_is_never_used",
            "test_sessions_of_one_person_are_bounded",
        ),
    ),
    "older-requests": (
        "Each request is said in the session, and its answer is one of 2026-07-28.",
        (
            "test_discover_is_answered_from_what_the_server_said_to_initialize",
            "test_a_result_gets_what_2026_wants_in_it",
            "test_an_answer_that_comes_at_once_in_events_has_the_status_that_it_should",
            "test_a_method_that_the_server_never_offered_is_404",
            "test_an_error_gets_a_code_that_2026_knows",
            "test_a_resource_that_is_not_there_looks_like_a_hidden_one",
            "test_meta_loses_what_only_2026_knows_and_keeps_trace_context_and_the_vendors_own",
        ),
    ),
    "older-arrays": (
        "A server of 2025-03-26 may say several messages in one array.",
        (
            "test_each_message_of_an_array_from_a_2025_03_26_server_counts_as_if_it_came_alone",
            "test_what_an_array_on_a_2025_03_26_sessions_own_stream_tells_is_heard",
            "test_an_array_of_a_server_of_a_later_revision_is_no_answer",
        ),
    ),
    "older-notifications": (
        "Progress and log messages pass as the request asked for them.",
        (
            "test_progress_comes_under_the_clients_token_and_only_its_own",
            "test_a_log_level_is_set_in_the_session_only_to_say_more",
            "test_log_messages_pass_from_the_level_that_was_asked_for",
        ),
    ),
    "older-listening": (
        "Listeners hear what the server tells their session, as far as they asked and may read.",
        (
            "test_listen_hears_what_the_server_tells_the_session_and_was_asked_for",
            "test_of_a_server_without_a_stream_nothing_but_our_own_notices_is_acknowledged",
            "test_a_resource_that_cannot_be_subscribed_to_is_missing_in_the_acknowledgement",
            "test_listeners_share_one_stream_and_what_they_subscribe_to",
            "test_a_listener_is_told_only_of_what_it_may_read",
            "test_a_change_told_on_the_stream_of_a_call_is_heard_by_who_listens",
            "test_a_changed_list_is_heard_at_every_replica_whose_session_is_told",
        ),
    ),
    "older-own-stream": (
        "What a server says on its session's own stream reaches the calls that it is for.",
        (
            "test_what_the_server_asks_on_the_sessions_own_stream_is_for_the_call_that_runs",
            "test_a_server_that_answers_in_json_may_ask_before_its_answer_begins",
            "test_what_the_server_asks_while_nothing_runs_is_refused",
            "test_log_messages_of_the_sessions_own_stream_reach_the_calls_that_asked",
            "test_a_stream_that_the_server_lets_end_in_the_middle_goes_on_after_its_last_event",
            "test_a_session_that_ends_closes_its_own_stream",
            "test_a_sessions_own_stream_that_the_server_ends_is_opened_again_while_a_call_runs",
            "test_a_sessions_own_stream_goes_on_after_its_last_event_and_listeners_stay",
            "test_who_listens_anew_before_the_last_listener_left_stays_subscribed",
            "test_a_server_that_knows_no_get_is_none_that_lost_its_session",
        ),
    ),
    "older-questions": (
        "What the server asks becomes input_required, and the call waits for its answer.",
        (
            "test_a_ping_is_answered_by_us_and_an_unknown_request_is_refused",
            "test_what_the_server_asks_is_the_clients_to_answer_by_calling_again",
            "test_a_tool_may_ask_several_times_and_report_progress_between",
            "test_a_call_that_brings_no_answer_is_asked_once_more",
            "test_what_is_open_at_once_is_asked_at_once_and_each_answer_is_to_its_own_question",
            "test_what_is_left_unanswered_is_asked_again_with_what_was_asked_meanwhile",
            "test_what_is_asked_on_the_sessions_own_stream_joins_a_call_that_waits",
            "test_what_the_server_takes_back_is_not_asked_again",
            "test_no_more_than_sixteen_questions_are_asked_at_once",
            "test_a_server_that_answers_without_waiting_for_what_it_asked_has_answered",
            "test_a_client_that_did_not_declare_it_is_not_asked",
            "test_an_address_that_the_person_has_to_open_is_asked_for_and_the_call_made_anew",
            "test_a_state_is_good_for_its_person_and_its_call_only",
            "test_an_answer_is_given_once",
            "test_an_answer_that_reaches_another_replica_finds_the_call_that_waits",
            "test_an_answer_to_a_replica_that_is_gone_is_refused",
            "test_what_policy_forbids_the_server_to_ask_is_refused_and_its_call_cancelled",
        ),
    ),
    "older-ended": (
        "Who goes away cancels; what nobody may use any more is ended.",
        (
            "test_a_client_that_goes_away_cancels_the_call_at_the_server",
            "test_a_client_that_goes_away_before_the_answer_begins_cancels_it_too",
            "test_a_client_that_goes_away_at_another_replica_cancels_the_call_too",
            "test_a_client_that_goes_away_while_its_answer_is_handed_over_cancels_the_call_too",
            "test_a_parked_call_of_a_grant_that_ended_is_cancelled_within_a_second",
            "test_a_flood_of_parked_calls_ends_the_oldest_of_that_person_only",
            "test_a_replica_that_ends_cancels_what_waits_there_and_the_client_is_told_to_call_anew",
            "test_answers_that_come_as_their_call_ends_are_refused_and_nobody_waits_for_it",
            "test_a_replica_that_ends_while_it_runs_a_call_for_another_one_tells_it_so",
        ),
    ),
}
