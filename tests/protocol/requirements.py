"""What MCP asks of a proxy: rule number, sentence, and the tests that hold it.

Rules 1 to 54 (transport) and pitfalls P1 to P25 stand here, rules 55 to 150 beside it.
Numbers are those of the rule list that the tests' docstrings name; `P` numbers are its pitfalls.
"""

from typing import Final

__all__ = ["HELD"]

HELD: Final[dict[str, tuple[str, tuple[str, ...]]]] = {
    "1": (
        "One endpoint takes POST; GET without a legacy session is 405 or a stream.",
        ("test_get_without_a_session_is_405", "test_another_http_method_is_405"),
    ),
    "2": (
        "Origin is validated; an invalid one is 403.",
        (
            "test_a_foreign_web_origin_is_refused",
            "test_in_development_a_page_on_loopback_may_call",
        ),
    ),
    "3": (
        "Nothing listens beyond loopback unless somebody says so.",
        (
            "test_a_gateway_at_home_listens_on_loopback_alone",
            "test_every_port_of_the_proxy_is_on_loopback_by_default",
        ),
    ),
    "4": (
        "The body is exactly one JSON-RPC message; arrays only in 2025-03-26.",
        (
            "test_a_message_that_could_be_read_in_two_ways_is_refused_before_upstream",
            "test_later_revisions_have_no_batches",
            "test_without_a_session_there_are_no_batches",
            "test_later_revisions_take_no_array_from_a_server",
            "test_an_array_of_a_server_is_judged_message_by_message",
            "test_arrays_of_a_server_among_several_are_taken_apart_and_renamed",
            "test_an_answer_in_an_array_of_its_own_is_the_answer",
            "test_an_array_that_is_more_than_the_answer_is_an_invalid_answer",
        ),
    ),
    "5": (
        "initialize is not part of a batch.",
        (
            "test_what_is_no_batch_is_refused_whole",
            "test_without_a_session_there_are_no_batches",
        ),
    ),
    "6": (
        "A response posted in 2026-07-28 is refused, one in a session taken.",
        (
            "test_a_posted_response_is_refused",
            "test_a_server_request_gets_exactly_one_answer_from_its_own_session",
            "test_an_answer_that_nobody_waits_for_is_refused",
        ),
    ),
    "7": (
        "An accepted notification is 202 and empty; a refused one 4xx.",
        (
            "test_a_notification_is_202_with_nothing_in_it",
            "test_an_unknown_notification_is_refused_without_a_body",
            "test_a_notification_that_no_client_sends_is_refused_without_a_body",
        ),
    ),
    "8": (
        "JSON and event streams are both asked for and both handled.",
        (
            "test_a_call_is_forwarded_as_the_very_same_bytes_with_headers_of_our_own",
            "test_a_list_in_an_event_stream_is_filtered_alike",
        ),
    ),
    "9": (
        "MCP-Protocol-Version stands on every POST and equals _meta.",
        (
            "test_headers_that_differ_from_the_body_are_a_mismatch",
            "test_a_header_of_2026_before_a_body_of_another_revision_is_a_mismatch",
        ),
    ),
    "10": (
        "A version that the session did not agree on is 400; absent means the session's.",
        (
            "test_a_version_header_that_differs_from_the_session_is_400",
            "test_initialize_opens_a_session_under_an_id_of_ours",
            "test_a_session_that_is_not_ones_own_opens_nothing",
        ),
    ),
    "11": (
        "Mcp-Method and Mcp-Name equal the body.",
        (
            "test_headers_that_differ_from_the_body_are_a_mismatch",
            "test_each_method_that_names_something_repeats_the_name_in_a_header",
            "test_what_the_gateway_says_to_servers_loses_no_check",
            "test_the_official_suite_loses_no_check_through_the_gateway",
        ),
    ),
    "12": (
        "The base64 form is decoded before it is compared.",
        (
            "test_a_name_beyond_ascii_travels_in_base64_and_is_encoded_anew",
            "test_headers_that_differ_from_the_body_are_a_mismatch",
            "test_half_of_the_base64_form_is_the_name_itself",
            "test_the_official_suite_loses_no_check_through_the_gateway",
        ),
    ),
    "13": (
        "Names have no case, values do; surrounding blanks do not count.",
        (
            "test_headers_that_differ_from_the_body_are_a_mismatch",
            "test_a_name_beyond_ascii_travels_in_base64_and_is_encoded_anew",
            "test_header_names_have_no_case",
        ),
    ),
    "14": (
        "The standard headers stand once.",
        (
            "test_headers_that_differ_from_the_body_are_a_mismatch",
            "test_a_header_that_decides_something_stands_once",
        ),
    ),
    "15": (
        "Tool parameter headers equal the arguments that the tool's schema marks.",
        (
            "test_headers_that_repeat_the_arguments_go_on_as_they_came",
            "test_a_parameter_header_that_differs_from_the_argument_is_a_mismatch",
            "test_the_newest_list_counts",
            "test_what_the_gateway_says_to_servers_loses_no_check",
        ),
    ),
    "16": (
        "Unknown tool parameter headers are forwarded unchanged, but for what was redacted.",
        (
            "test_a_call_is_forwarded_as_the_very_same_bytes_with_headers_of_our_own",
            "test_what_was_redacted_does_not_stand_in_a_header_either",
        ),
    ),
    "17": (
        "A validation failure is a proper HTTP error.",
        ("test_headers_that_differ_from_the_body_are_a_mismatch",),
    ),
    "18": (
        "Policy decides on the body.",
        (
            "test_headers_that_differ_from_the_body_are_a_mismatch",
            "test_a_header_that_names_what_is_allowed_opens_nothing_that_is_not",
        ),
    ),
    "19": (
        "Mcp-Name is never trusted: another name in the body stops the call.",
        (
            "test_headers_that_differ_from_the_body_are_a_mismatch",
            "test_a_header_that_names_what_is_allowed_opens_nothing_that_is_not",
        ),
    ),
    "20": (
        "An unsupported version is -32022 with what is served.",
        ("test_an_unsupported_version_is_told_what_is_served",),
    ),
    "21": (
        "An unimplemented method is 404 -32601.",
        (
            "test_a_method_outside_the_table_is_404_whatever_the_globs_say",
            "test_the_official_suite_loses_no_check_through_the_gateway",
        ),
    ),
    "22": (
        "Required _meta fields are required.",
        ("test_a_request_without_the_required_meta_is_refused",),
    ),
    "23": (
        "An input request that the client did not declare is 400 -32021.",
        (
            "test_an_input_request_that_the_client_did_not_declare_never_reaches_it",
            "test_an_address_to_visit_needs_a_client_that_shows_addresses",
        ),
    ),
    "24": (
        "Errors carry the id; ids are strings or integers.",
        (
            "test_the_id_is_echoed_where_it_could_be_read",
            "test_a_message_that_could_be_read_in_two_ways_is_refused_before_upstream",
            "test_only_the_answer_to_the_id_asked_passes",
            "test_an_answer_to_an_earlier_round_is_none_to_a_later_one",
            "test_what_was_not_asked_is_no_answer",
        ),
    ),
    "25": (
        "Codes of our own lie outside the reserved range.",
        ("test_codes_of_our_own_lie_outside_the_reserved_range",),
    ),
    "26": (
        "No JSON-RPC request stands on a 2026-07-28 stream.",
        (
            "test_requests_on_a_stream_are_dropped_and_written_down",
            "test_a_client_of_2026_hears_nothing_that_it_did_not_ask",
            "test_nor_where_its_server_speaks_older_revisions",
            "test_nor_does_a_legacy_client_before_a_server_of_2026",
            "test_a_request_on_a_joined_listen_stream_is_written_down_too",
            "test_a_request_on_a_stream_of_2026_reaches_no_client_whatever_policy_allows",
            "test_what_was_not_asked_is_dropped_from_a_stream",
            "test_a_stream_of_which_nothing_passes_ends_before_it_fills_the_log",
        ),
    ),
    "27": (
        "Streams are not buffered; comments pass.",
        (
            "test_the_first_event_is_there_before_the_second_exists",
            "test_a_list_in_an_event_stream_is_filtered_alike",
            "test_keep_alive_comments_and_retry_pass",
        ),
    ),
    "28": (
        "A disconnect cancels in 2026-07-28.",
        (
            "test_a_modern_client_that_goes_away_ends_the_upstream_exchange",
            "test_a_client_that_goes_away_before_the_head_is_treated_by_its_revision",
        ),
    ),
    "29": (
        "A disconnect does not cancel before.",
        (
            "test_a_legacy_call_finishes_although_its_client_went_away",
            "test_a_client_that_goes_away_before_the_head_is_treated_by_its_revision",
            "test_a_session_is_ended_although_its_client_went_away_meanwhile",
        ),
    ),
    "30": (
        "2026-07-28 neither reads nor mints session and event ids; GET and DELETE are 405.",
        (
            "test_a_call_is_forwarded_as_the_very_same_bytes_with_headers_of_our_own",
            "test_get_and_delete_are_405",
            "test_2026_07_28_tells_no_event_ids",
        ),
    ),
    "31": (
        "Sessions: visible ASCII, 400 without, 404 when ended, DELETE.",
        (
            "test_initialize_opens_a_session_under_an_id_of_ours",
            "test_a_server_without_sessions_gets_none_while_the_client_has_one",
            "test_a_request_without_session_is_400_and_with_an_unknown_one_404",
            "test_a_session_id_in_another_spelling_is_unknown",
            "test_a_session_is_too_old_after_a_day",
            "test_delete_ends_the_session_here_and_upstream",
            "test_a_session_that_upstream_forgot_is_404_so_that_clients_initialize_again",
            "test_a_session_that_no_client_got_is_ended_upstream",
            "test_a_session_that_upstream_keeps_to_itself_is_recorded_and_holds_up_nobody",
            "test_an_initialize_that_opened_a_session_ends_none",
            "test_the_official_suite_loses_no_check_through_the_gateway",
        ),
    ),
    "32": (
        "What is resumed is what broke off; a GET stream carries no other answers.",
        (
            "test_an_answer_that_broke_off_goes_on_after_the_servers_own_event",
            "test_an_answer_goes_on_at_another_replica",
            "test_a_stream_that_ends_or_breaks_before_the_answer_can_be_resumed_again_and_again",
            "test_a_sessions_own_stream_goes_on_too_and_carries_no_answers",
            "test_an_answer_passes_only_under_the_id_that_was_asked",
            "test_a_posted_message_resumes_nothing",
        ),
    ),
    "33": (
        "Event ids, retry and empty events pass.",
        (
            "test_the_id_of_a_dropped_event_still_passes",
            "test_keep_alive_comments_and_retry_pass",
            "test_an_event_id_that_no_header_could_carry_is_not_told",
            "test_what_was_asked_with_more_than_64_kib_is_told_no_event_ids",
            "test_what_the_gateway_says_to_servers_loses_no_check",
        ),
    ),
    "34": (
        "A message stands on one stream; what we tell ourselves does too.",
        ("test_one_stream_of_a_session_is_told_and_the_next_one_when_it_is_gone",),
    ),
    "35": (
        "server/discover names what proxy and server both serve.",
        (
            "test_discover_names_only_what_is_served",
            "test_the_official_suite_loses_no_check_through_the_gateway",
        ),
    ),
    "36": (
        "A version that initialize can't have is named.",
        (
            "test_a_version_that_is_not_served_with_initialize_is_named",
            "test_a_version_that_is_not_served_becomes_the_newest_legacy_one",
            "test_each_way_to_refuse_initialize_is_found_out",
        ),
    ),
    "37": (
        "resultType is one that is served, in results of our own too.",
        (
            "test_an_answer_of_a_wrong_type_is_an_upstream_error",
            "test_a_listen_stream_ends_in_good_order",
            "test_the_lists_of_all_servers_are_one_list_in_their_order",
            "test_a_result_gets_what_2026_wants_in_it",
            "test_a_modern_client_is_asked_to_show_the_link",
            "test_a_result_that_2026_does_not_know_is_no_answer",
        ),
    ),
    "38": (
        "Results are used again only as their caching fields say; those of our own have them.",
        (
            "test_a_result_is_used_again_for_what_is_left_of_its_time",
            "test_a_result_that_came_as_an_event_is_used_again",
            "test_a_request_gets_the_answer_under_its_own_id",
            "test_after_its_time_a_result_is_asked_for_anew",
            "test_what_does_not_say_how_long_and_for_whom_is_not_used_again",
            "test_nothing_is_kept_longer_than_an_hour",
            "test_an_error_is_not_used_again",
            "test_an_older_revision_knows_no_such_time",
            "test_what_a_server_told_to_have_changed_is_asked_for_anew",
            "test_what_was_asked_before_a_change_is_not_kept_after_it",
            "test_a_change_reaches_what_other_replicas_keep",
            "test_where_words_may_be_lost_everything_is_asked_for_anew",
            "test_what_is_kept_is_bounded_and_what_was_not_used_for_longest_goes",
            "test_a_server_that_is_away_for_a_moment_has_the_tools_that_it_had",
            "test_a_server_that_is_away_has_no_tools_that_it_told_to_have_changed",
            "test_a_server_that_answers_wrongly_is_not_away",
            "test_what_a_resource_holds_is_not_answered_for_a_server_that_is_away",
            "test_neither_keeping_nor_sealing_asks_the_store",
            "test_a_result_gets_what_2026_wants_in_it",
            "test_the_lists_of_all_servers_are_one_list_in_their_order",
            "test_discovery_unites_what_the_servers_can_do",
            "test_the_official_suite_loses_no_check_through_the_gateway",
        ),
    ),
    "39": (
        "What depends on the person leaves as private.",
        (
            "test_a_list_is_filtered_in_order_and_private",
            "test_what_is_public_is_for_everybody_as_far_as_policy_lets_them_see_it",
        ),
    ),
    "40": (
        "Nothing private crosses grants or accounts; rounds of a call are never used again.",
        (
            "test_what_is_private_is_for_one_grant_with_one_account",
            "test_what_a_resource_holds_is_nobody_elses_whatever_its_server_says",
            "test_a_kept_result_does_not_outlive_the_grant_nor_go_unrecorded",
            "test_a_route_that_leads_to_another_server_asks_that_one",
            "test_a_joined_list_is_used_again_unless_somebodys_account_stands_behind_it",
            "test_what_was_asked_otherwise_is_asked_anew",
            "test_what_no_result_depends_on_makes_no_difference",
            "test_rounds_of_a_call_are_never_used_again",
            "test_a_question_of_the_server_is_not_used_again",
            "test_a_call_is_never_answered_from_what_was_kept",
        ),
    ),
    "41": (
        "Lists keep their order, and vary with the person's rights only.",
        (
            "test_a_list_is_filtered_in_order_and_private",
            "test_the_newest_policy_filters_what_is_kept",
        ),
    ),
    "42": (
        "Tools whose marks for headers are faulty are left out; the others stay.",
        (
            "test_a_mark_that_no_header_can_follow_is_faulty",
            "test_what_only_looks_like_a_mark_is_none",
            "test_a_tool_with_a_faulty_mark_is_left_out_and_the_others_stay",
            "test_an_older_client_sees_a_tool_with_a_faulty_mark",
            "test_what_the_gateway_says_to_servers_loses_no_check",
        ),
    ),
    "43": (
        "requestState is sealed for its person and its call, for an hour.",
        (
            "test_a_state_leaves_sealed_and_comes_back_as_the_servers_own",
            "test_a_state_that_this_very_call_did_not_give_this_person_is_refused",
            "test_a_state_said_again_is_counted_again",
        ),
    ),
    "44": (
        "A retry carries the server's own state, and what the server asked for.",
        (
            "test_a_state_leaves_sealed_and_comes_back_as_the_servers_own",
            "test_a_server_without_a_state_gets_none_while_the_client_has_one",
            "test_what_the_server_did_not_ask_never_reaches_it",
            "test_what_the_gateway_says_to_servers_loses_no_check",
        ),
    ),
    "45": (
        "Only three methods ask for input, only three kinds are asked.",
        (
            "test_an_answer_of_a_wrong_type_is_an_upstream_error",
            "test_a_result_that_2026_does_not_know_is_no_answer",
        ),
    ),
    "46": (
        "Listen streams carry only what was asked and may be read.",
        (
            "test_listen_hears_only_of_resources_that_may_be_read",
            "test_notifications_pass_only_as_the_request_asked",
            "test_nothing_is_told_before_the_acknowledgement_and_that_only_once",
            "test_only_what_was_asked_for_is_told_and_acknowledged",
            "test_what_is_not_this_subscriptions_is_not_told",
            "test_a_listen_stream_ends_in_good_order",
            "test_a_listen_stream_that_policy_forbids_ends_in_an_error",
            "test_the_official_suite_loses_no_check_through_the_gateway",
        ),
    ),
    "47": (
        "notifications/message needs a log level and no listen stream.",
        (
            "test_notifications_pass_only_as_the_request_asked",
            "test_listen_hears_only_of_resources_that_may_be_read",
        ),
    ),
    "48": (
        "Progress is for live tokens.",
        ("test_notifications_pass_only_as_the_request_asked",),
    ),
    "49": (
        "Trace context that is malformed is not propagated.",
        ("test_a_bad_traceparent_is_not_propagated",),
    ),
    "50": (
        "JSON is UTF-8.",
        ("test_a_message_that_could_be_read_in_two_ways_is_refused_before_upstream",),
    ),
    "51": (
        "No address in a schema is ever asked.",
        (
            "test_no_address_in_a_schema_is_ever_asked",
            "test_what_the_gateway_says_to_servers_loses_no_check",
        ),
    ),
    "52": (
        "A client without tasks never gets one.",
        (
            "test_an_answer_of_a_wrong_type_is_an_upstream_error",
            "test_discover_names_only_what_is_served",
            "test_a_task_that_nobody_declared_or_that_is_no_answer_is_an_upstream_error",
        ),
    ),
    "53": (
        "Access is controlled, calls are limited, URIs mean one thing, outputs are redacted.",
        (
            "test_a_denied_call_is_http_200_with_a_decision_id_and_never_forwarded",
            "test_an_input_request_needs_an_allow_that_names_it",
            "test_a_full_limit_is_refused_with_the_time_to_wait_and_lists_spend_nothing",
            "test_no_spelling_of_a_uri_walks_around_a_deny",
            "test_results_are_redacted_text_and_structure_json_and_stream_alike",
        ),
    ),
    "54": (
        "A forbidden resource looks like a missing one.",
        (
            "test_a_hidden_resource_and_a_missing_one_look_alike",
            "test_a_missing_resource_looks_like_a_forbidden_one",
            "test_a_resource_that_is_not_there_looks_like_a_hidden_one",
        ),
    ),
    "P3": (
        "A GET stream passes what is known and ends with the token.",
        (
            "test_a_get_stream_passes_what_the_server_tells_and_drops_the_rest",
            "test_a_get_stream_ends_with_the_token",
        ),
    ),
    "P6": (
        "A session belongs to one person and one grant.",
        (
            "test_another_persons_session_looks_unknown",
            "test_a_session_does_not_outlive_its_grant",
        ),
    ),
    "P7": (
        "An event id is good in its own session, and what it brings is judged like the answer.",
        (
            "test_an_event_id_is_worth_nothing_in_another_session",
            "test_no_event_id_that_we_did_not_hand_out_goes_upstream",
            "test_what_is_played_again_is_filtered_and_redacted_like_the_answer",
        ),
    ),
    "P9": (
        "Headers are rebuilt, not relayed.",
        (
            "test_a_call_is_forwarded_as_the_very_same_bytes_with_headers_of_our_own",
            "test_nothing_of_upstreams_headers_crosses",
            "test_what_is_no_good_http_is_told_as_ours",
            "test_no_header_of_a_client_crosses_but_those_of_mcp",
        ),
    ),
    "P10": (
        "What could be read in two ways is refused; arguments are the callers' own.",
        (
            "test_odd_case_keys_inside_arguments_are_the_callers_own",
            "test_the_request_after_a_broken_one_is_served",
            "test_garbage_in_an_answer_is_an_invalid_answer_json_and_stream_alike",
            "test_an_older_servers_broken_answer_is_an_invalid_one",
            "test_no_later_round_is_answered_in_what_is_no_utf_8",
            "test_a_call_that_can_be_read_in_two_ways_is_refused",
            "test_what_is_no_answer_is_told_as_one",
            "test_a_body_that_is_no_message_is_refused",
        ),
    ),
    "P11": (
        "Headers that decide stand once.",
        (
            "test_a_header_that_decides_something_stands_once",
            "test_a_header_that_decides_stands_once",
        ),
    ),
    "P12": (
        "State and answers of one person or call are none of another's.",
        (
            "test_a_state_that_this_very_call_did_not_give_this_person_is_refused",
            "test_an_answer_that_does_not_fit_what_was_asked_is_refused",
            "test_a_round_that_the_server_did_not_begin_is_refused",
            "test_an_answer_that_nobody_waits_for_is_refused",
        ),
    ),
    "P13": (
        "Pages may become empty while the cursor stays; a change of policy is told.",
        (
            "test_a_changed_policy_is_told_on_the_sessions_stream",
            "test_a_reload_that_changes_no_verdict_is_not_told",
            "test_a_listen_stream_is_told_of_the_lists_that_it_asked_for",
            "test_a_listen_stream_is_told_although_its_server_serves_none",
            "test_who_wants_to_hear_of_resources_alone_learns_that_listening_is_not_served",
            "test_a_session_is_told_although_its_server_has_no_stream",
            "test_a_session_that_was_promised_nothing_gets_no_stream_of_a_server_without_one",
            "test_answers_to_calls_tell_nothing_of_it",
            "test_a_time_window_that_ends_is_told",
            "test_initialize_and_discover_announce_the_notices",
            "test_what_the_server_tells_of_its_lists_passes_as_ever",
            "test_an_item_that_was_hidden_by_a_list_stays_hidden_on_later_pages",
            "test_a_cursor_leaves_sealed_and_comes_back_as_the_servers_own",
            "test_a_cursor_that_this_list_did_not_give_this_person_is_refused",
        ),
    ),
    "P14": (
        "Schemas are known from the lists that this person saw; else the server checks.",
        (
            "test_a_tool_that_this_person_did_not_see_is_the_servers_to_check",
            "test_headers_that_say_otherwise_than_the_body_are_refused",
        ),
    ),
    "P15": (
        "Encoded bodies and other media types are 415.",
        (
            "test_another_media_type_or_an_encoded_body_is_415",
            "test_what_is_no_good_http_is_told_as_ours",
            "test_an_encoded_body_is_refused",
        ),
    ),
    "P16": (
        "Bodies and events have limits.",
        (
            "test_a_body_beyond_the_limit_is_413",
            "test_an_event_beyond_a_mebibyte_ends_the_stream_with_an_error",
            "test_a_body_without_end_is_refused_and_not_kept",
            "test_what_never_ends_is_ended_and_takes_little_memory",
            "test_a_stream_that_listens_ends_with_an_event_that_has_no_end",
            "test_what_an_older_server_says_to_nobody_is_not_read_without_end",
        ),
    ),
    "P22": (
        "Upstream's failures are answered as ours.",
        (
            "test_a_failure_of_upstream_is_answered_as_ours",
            "test_a_rejected_credential_is_refreshed_and_tried_once_more",
            "test_a_stream_that_ends_before_the_answer_ends_in_an_error",
            "test_an_error_of_upstream_passes_with_its_status",
        ),
    ),
    "P1": (
        "Each event is written through at once.",
        ("test_the_first_event_is_there_before_the_second_exists",),
    ),
    "P2": (
        "A client that goes away ends its call in 2026-07-28 only.",
        (
            "test_a_modern_client_that_goes_away_ends_the_upstream_exchange",
            "test_a_legacy_call_finishes_although_its_client_went_away",
        ),
    ),
    "P4": (
        "A GET stream ends with its token, and with its grant.",
        (
            "test_a_get_stream_ends_with_the_token",
            "test_get_without_a_session_is_405",
        ),
    ),
    "P5": (
        "DELETE ends both sessions; what comes later is 404.",
        ("test_delete_ends_the_session_here_and_upstream",),
    ),
    "P8": (
        "The era is decided from the request; one sign of it demands all of them.",
        (
            "test_headers_that_differ_from_the_body_are_a_mismatch",
            "test_a_request_without_the_required_meta_is_refused",
            "test_one_sign_of_2026_in_a_session_demands_the_others",
            "test_a_header_of_2026_before_a_body_of_another_revision_is_a_mismatch",
            "test_a_body_of_2026_in_a_session_is_held_to_2026",
        ),
    ),
    "P17": (
        "Quiet streams are kept alive.",
        ("test_keep_alive_comments_and_retry_pass",),
    ),
    "P19": (
        "Each message of a batch is judged; ids are neither lost nor reordered.",
        (
            "test_each_message_of_a_batch_is_said_alone_and_answered_in_order",
            "test_a_forbidden_message_of_a_batch_becomes_an_error_and_the_others_go_on",
            "test_each_message_of_a_batch_has_a_record_of_its_own_that_names_the_batch",
            "test_each_message_of_a_batch_is_charged",
            "test_a_batch_of_notifications_is_202_and_one_that_is_refused_says_so",
            "test_a_batch_of_responses_answers_what_the_server_asked",
            "test_a_batch_is_a_stream_from_the_first_answer_that_is_one",
            "test_large_answers_to_a_batch_leave_one_by_one_and_none_is_asked_for_before",
            "test_what_is_left_of_a_batch_that_took_too_long_is_refused_and_not_run",
            "test_what_is_left_of_a_batch_is_refused_once_the_grant_is_revoked",
            "test_a_batch_goes_on_although_its_client_went_away",
            "test_a_batch_whose_client_left_before_its_head_goes_on_too",
            "test_what_is_no_batch_is_refused_whole",
        ),
    ),
    "P18": (
        "Who cancels names a request of its own.",
        (
            "test_a_server_cancels_nothing_that_it_did_not_ask",
            "test_what_a_server_cancelled_takes_no_answer_any_more",
        ),
    ),
    "P20": (
        "A browser can't send what we take without asking first.",
        ("test_another_media_type_or_an_encoded_body_is_415",),
    ),
    "P21": (
        "A stream ends with its token: it can't be told so otherwise.",
        ("test_a_get_stream_ends_with_the_token",),
    ),
    "P23": (
        "Each route has its own documents; others are 404.",
        (
            "test_resource_metadata_stands_at_exact_paths_only",
            "test_other_paths_and_origins_are_left_to_others",
        ),
    ),
    "P24": (
        "HTTP+SSE of 2024-11-05 gets 405 and 404 without an error of 2026.",
        (
            "test_get_without_a_session_is_405",
            "test_an_unknown_path_is_404_and_paths_match_raw",
        ),
    ),
    "P25": (
        "Both eras are served at every route.",
        (
            "test_initialize_opens_a_session_under_an_id_of_ours",
            "test_discover_names_only_what_is_served",
        ),
    ),
    "tasks": (
        "Tasks belong to their creators, in both directions; each form where its revision has it.",
        (
            "test_arrays_of_a_server_among_several_are_taken_apart_and_renamed",
            "test_a_call_as_a_task_is_polled_read_and_cancelled_under_the_servers_own_id",
            "test_a_poll_is_judged_like_its_call_and_spends_no_limit",
            "test_what_a_task_brings_is_redacted_like_the_answer_that_it_stands_for",
            "test_a_finished_task_of_2026_is_redacted_result_and_error_alike",
            "test_a_list_of_tasks_shows_the_callers_own_in_order_and_its_cursor_is_sealed",
            "test_a_list_of_tasks_is_filtered_json_and_stream_alike",
            "test_news_of_a_task_reach_its_owner_alone",
            "test_what_a_server_asks_for_a_task_comes_on_the_stream_of_its_result",
            "test_a_server_polls_the_task_that_a_client_made_of_its_question",
            "test_a_server_sees_those_tasks_of_a_client_that_it_asked_for_in_the_session",
            "test_a_server_of_2026_may_make_a_task_of_a_call_if_the_client_declared_that",
            "test_what_answers_a_task_is_judged_by_what_it_is_and_redacted",
            "test_a_task_that_nobody_declared_or_that_is_no_answer_is_an_upstream_error",
            "test_without_the_extension_nobody_asks_about_tasks",
            "test_a_listener_hears_of_its_own_tasks_with_all_that_they_bring",
            "test_task_ids_that_cannot_be_read_are_invalid",
            "test_a_session_is_offered_tasks_in_the_form_of_its_revision",
            "test_a_client_of_2026_is_offered_the_extension",
        ),
    ),
    "table": (
        "Every message of every revision is in the table, with its subject, or goes nowhere.",
        (
            "test_the_tables_of_code_and_specification_name_the_same_messages",
            "test_a_request_of_a_client_is_forwarded_where_its_revision_knows_it",
            "test_a_notification_of_a_client_is_forwarded_where_its_revision_knows_it",
            "test_a_request_of_a_server_reaches_the_client_where_its_revision_knows_it",
            "test_a_notification_of_a_server_reaches_the_client_where_its_revision_knows_it",
            "test_a_deny_that_names_a_method_refuses_that_one",
            "test_a_deny_that_names_a_notification_refuses_that_one",
            "test_a_deny_that_names_a_subject_refuses_each_message_about_it",
            "test_a_deny_that_names_a_resource_leaves_it_out_of_what_a_listener_hears",
            "test_a_request_on_a_stream_needs_an_allow_of_its_own_kind",
            "test_a_request_in_a_result_needs_an_allow_of_its_own_kind",
        ),
    ),
    "C": (
        "A server's request gets one answer, from its own session, while policy allows it.",
        (
            "test_a_server_request_needs_an_allow_that_names_it_else_upstream_is_told",
            "test_a_server_request_gets_exactly_one_answer_from_its_own_session",
            "test_a_reply_is_refused_once_policy_forbids_the_request",
            "test_what_a_server_may_not_ask_in_a_result_is_written_down_with_the_rule",
            "test_so_is_what_it_may_not_ask_on_a_stream_and_by_links_in_an_error",
        ),
    ),
    "audit": (
        "What can't be written down does not happen.",
        (
            "test_a_request_is_not_forwarded_where_its_decision_cannot_be_written",
            "test_a_stream_is_cut_where_a_record_cannot_be_written",
        ),
    ),
    "X12": (
        "Several servers behind one URL look like one server.",
        (
            "test_the_lists_of_all_servers_are_one_list_in_their_order",
            "test_all_servers_are_asked_before_any_has_answered",
            "test_a_call_goes_to_its_server_alone_under_that_servers_own_name",
            "test_a_call_needs_the_account_at_its_own_server_and_no_other",
            "test_a_name_without_its_server_looks_like_a_missing_one_and_goes_nowhere",
            "test_policy_sees_the_joined_names",
            "test_resources_links_and_templates_lead_back_to_their_server",
            "test_tools_and_results_link_to_pages_of_apps_that_keep_their_scheme",
            "test_a_completion_is_asked_of_the_server_of_its_reference",
            "test_a_server_that_is_away_is_named_in_the_others_list_and_in_its_own_calls",
            "test_with_every_server_away_a_list_is_an_error_that_names_one",
            "test_a_list_that_is_no_answer_counts_as_missing",
            "test_pages_of_all_servers_are_turned_at_once_and_end_with_the_longest",
            "test_a_cursor_that_is_none_of_ours_is_refused_before_any_server",
            "test_tools_whose_joined_names_no_client_takes_are_left_out_until_they_are_mended",
            "test_discovery_unites_what_the_servers_can_do",
            "test_listening_joins_what_each_server_was_asked_for",
            "test_a_stream_that_does_not_begin_is_no_stream_however_much_a_server_says_on_it",
            "test_a_listener_is_told_of_a_server_that_is_back_whatever_the_others_listen_for",
            "test_what_a_server_calls_like_anothers_stays_its_own",
            "test_an_answer_in_a_stream_is_renamed_event_by_event",
            "test_one_session_stands_for_one_at_each_server_in_its_own_version",
            "test_finding_a_server_adds_no_trip_to_the_store",
            "test_a_server_that_was_away_at_the_start_is_greeted_when_it_is_needed",
            "test_a_server_that_lost_its_session_gets_a_new_one_and_the_call_once_more",
            "test_of_two_requests_that_greet_a_server_at_once_both_go_on_in_one_session",
            "test_a_call_does_not_wait_for_a_greeting_that_is_never_answered",
            "test_a_session_whose_beginning_can_not_be_told_is_ended",
            "test_a_server_that_keeps_losing_its_session_does_not_end_the_clients",
            "test_a_version_or_session_id_that_can_not_be_kept_leaves_its_server_out",
            "test_eight_servers_fit_into_one_session_id",
            "test_servers_ask_under_ids_that_never_meet_and_each_gets_its_own_answer",
            "test_a_server_can_not_ask_under_anothers_id",
            "test_a_server_can_not_complete_the_visit_that_another_asked_for",
            "test_a_refused_request_of_a_server_is_answered_under_its_own_id",
            "test_notifications_go_to_whom_they_concern",
            "test_a_ping_is_answered_here",
            "test_the_last_list_of_a_server_that_is_away_stands_in_for_five_minutes",
            "test_with_every_server_away_their_last_lists_are_the_list",
            "test_a_list_stands_in_for_the_person_alone_that_it_was_given",
            "test_a_server_that_answers_and_refuses_is_not_away",
            "test_a_list_that_its_server_does_not_let_be_kept_does_not_stand_in",
            "test_a_list_does_not_stand_in_once_its_server_told_of_a_change",
            "test_nothing_stands_in_for_a_server_that_uses_peoples_accounts",
            "test_a_list_that_is_none_leaves_out_its_server_alone",
            "test_eight_long_cursors_go_into_one_and_come_back",
            "test_an_item_that_no_client_can_read_is_left_out_and_named",
            "test_what_lacks_a_name_or_a_uri_is_left_out",
            "test_what_may_be_null_stays_so",
            "test_what_a_server_can_do_is_told_whatever_another_says_of_itself",
            "test_a_client_may_wait_on_its_stream_for_the_only_server_that_has_one",
            "test_a_stream_that_every_server_refuses_is_refused",
            "test_a_server_that_is_away_is_looked_for_by_one_stream_at_a_time",
            "test_a_store_that_is_away_leaves_the_streams_open_that_need_none",
            "test_a_server_that_did_not_answer_in_time_is_waited_for_briefly_until_it_answers",
            "test_whoever_asks_a_silent_server_that_answers_gets_the_whole_list",
            "test_of_many_questions_to_a_silent_server_one_goes_on_and_the_others_end",
            "test_a_question_to_a_silent_server_ends_with_the_client_that_goes_meanwhile",
            "test_a_server_is_silent_too_where_no_client_waits_as_long_as_we_do",
            "test_discovery_is_over_before_clients_take_us_for_the_older_era",
            "test_a_server_whose_answer_begins_and_does_not_end_is_silent_and_the_status_says_so",
            "test_a_server_that_refuses_is_not_silent",
            "test_a_notice_waits_briefly_for_a_silent_server",
            "test_the_log_level_is_set_at_every_server_that_has_one",
            "test_a_subscription_is_made_at_its_server_and_its_news_come_back_under_its_name",
            "test_streams_go_on_at_the_servers_whose_events_they_broke_off_after",
            "test_a_server_whose_event_ids_are_long_begins_its_stream_anew",
            "test_a_server_that_lost_its_session_begins_its_stream_anew_and_that_is_written_down",
            "test_a_server_that_forgot_where_its_stream_broke_off_is_asked_for_another",
            "test_without_any_own_stream_of_a_server_one_is_left_to_the_gateways_notices",
            "test_the_end_of_a_session_is_its_end_at_every_server",
            "test_an_initialize_that_no_server_answers_is_an_error",
            "test_another_persons_session_is_unknown_here_too",
            "test_equal_ids_of_two_servers_are_two_tasks_and_each_leads_to_its_own",
            "test_a_task_that_another_server_names_is_nobodys",
            "test_a_question_inside_a_task_and_its_answer_say_so_by_each_sides_id",
            "test_tasks_of_2026_are_named_polled_and_listened_to_likewise",
            "test_news_of_a_clients_own_task_go_to_no_server",
            "test_a_stream_that_nobody_reads_is_closed_at_every_server",
            "test_another_replica_goes_on_with_the_sessions_of_the_start_and_those_opened_later",
            "test_a_client_that_goes_while_streams_open_leaves_none_of_them_open",
        ),
    ),
}
