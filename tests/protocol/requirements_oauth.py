"""Rules 55 to 150: resource server, authorization server, OAuth client, best practices.

Like `requirements`: number, sentence and the tests that hold it; what is not met is data.
"""

from typing import Final

__all__ = ["GAPS", "HELD"]

_RESOURCE_SERVER: Final[dict[str, tuple[str, tuple[str, ...]]]] = {
    "55": (
        "Protected resource metadata names an authorization server.",
        ("test_resource_metadata_stands_at_exact_paths_only",),
    ),
    "56": (
        "`resource` is the URL that the client built the address from.",
        (
            "test_resource_metadata_stands_at_exact_paths_only",
            "test_a_root_route_has_its_metadata_at_the_root",
        ),
    ),
    "57": (
        "A 401 names the metadata, which stands at its well-known place too.",
        ("test_no_token_is_401_before_anything_else_is_said",),
    ),
    "58": (
        "The challenge names the scope that is needed.",
        ("test_the_challenge_names_an_error_only_where_a_token_was_sent",),
    ),
    "59": (
        "A challenge names an error only where a token was sent.",
        ("test_the_challenge_names_an_error_only_where_a_token_was_sent",),
    ),
    "60": (
        "Every HTTP request carries the token.",
        ("test_no_token_is_401_before_anything_else_is_said",),
    ),
    "61": (
        "A token in the query is never taken.",
        ("test_a_token_in_the_query_is_never_taken",),
    ),
    "62": (
        "Signature, end, issuer and audience of a token are checked.",
        (
            "test_a_token_that_we_did_not_issue_so_is_refused",
            "test_a_token_is_refused_on_every_other_route_known_or_not",
            "test_a_token_that_does_not_hold_is_challenged_and_recorded",
        ),
    ),
    "63": (
        "No other token is taken, and the client's goes nowhere.",
        (
            "test_the_clients_token_appears_nowhere_upstream_and_upstreams_nowhere_here",
            "test_the_clients_token_is_nowhere_in_it",
        ),
    ),
    "64": (
        "An invalid token is 401, a malformed request 400.",
        (
            "test_a_bad_token_is_401_with_the_error_that_clients_act_on",
            "test_a_header_that_decides_stands_once",
        ),
    ),
    "67": (
        "offline_access stands neither in challenges nor in scopes_supported.",
        (
            "test_resource_metadata_stands_at_exact_paths_only",
            "test_the_challenge_names_an_error_only_where_a_token_was_sent",
        ),
    ),
    "68": (
        "Scopes are few, and a scope alone allows nothing.",
        (
            "test_resource_metadata_stands_at_exact_paths_only",
            "test_a_denied_call_is_http_200_with_a_decision_id_and_never_forwarded",
        ),
    ),
    "69": (
        "A session is never taken for a login.",
        (
            "test_no_token_is_401_before_anything_else_is_said",
            "test_another_persons_session_looks_unknown",
        ),
    ),
    "70": (
        "Session ids can't be guessed and belong to one person.",
        (
            "test_another_persons_session_looks_unknown",
            "test_a_session_does_not_outlive_its_grant",
            "test_an_event_id_is_worth_nothing_in_another_session",
        ),
    ),
    "71": (
        "What clients hold for us is good for one person and use only.",
        (
            "test_a_handle_of_another_is_no_handle",
            "test_another_persons_task_looks_like_one_that_never_was",
        ),
    ),
    "72": (
        "A grant holds only while the account behind it does.",
        (
            "test_a_grant_that_the_service_ended_makes_the_account_dead_and_says_connect",
            "test_an_account_is_connected_used_rotated_and_revoked",
        ),
    ),
    "73": (
        "Browser clients may ask first, without a token.",
        (
            "test_a_preflight_needs_no_token_and_names_what_may_be_sent",
            "test_browser_clients_may_ask_first",
        ),
    ),
}
_AUTHORIZATION_SERVER: Final[dict[str, tuple[str, tuple[str, ...]]]] = {
    "74": (
        "Public and confidential clients are served.",
        ("test_a_confidential_client_proves_itself_as_it_registered",),
    ),
    "75": (
        "Both metadata documents stand at the issuer.",
        ("test_both_issuer_documents_name_the_issuer_they_stand_at",),
    ),
    "76": (
        "The issuer is the one that the address was built from, whatever headers say.",
        (
            "test_no_document_names_another_issuer_than_its_place_says",
            "test_no_header_of_the_request_changes_what_we_say_of_ourselves",
        ),
    ),
    "77": (
        "S256 is named in every document.",
        ("test_both_issuer_documents_name_the_issuer_they_stand_at",),
    ),
    "78": (
        "PKCE with S256 is required and checked.",
        (
            "test_a_request_without_pkce_or_for_another_resource_gets_no_page",
            "test_a_code_redeems_only_as_it_was_asked_for",
        ),
    ),
    "79": (
        "A redirect URI is compared exactly.",
        ("test_a_redirect_uri_is_compared_exactly_but_for_loopback_ports",),
    ),
    "80": (
        "A loopback redirect may use any port.",
        ("test_a_redirect_uri_is_compared_exactly_but_for_loopback_ports",),
    ),
    "81": (
        "Redirect URIs are https or loopback, or on the list.",
        (
            "test_clients_that_must_keep_working_may_register",
            "test_uris_that_lead_elsewhere_are_refused",
        ),
    ),
    "82": (
        "A bad client or redirect URI gets a page and no redirect.",
        (
            "test_an_unregistered_redirect_uri_gets_a_page_and_no_redirect",
            "test_a_wrong_redirect_uri_is_a_page_and_never_a_redirect",
        ),
    ),
    "83": (
        "Consent comes before any redirect to a client.",
        ("test_a_request_with_a_fault_does_not_make_us_an_open_redirector",),
    ),
    "84": (
        "Codes are short, used once and bound.",
        (
            "test_a_replayed_code_gives_nothing_and_kills_what_it_gave",
            "test_a_code_of_one_client_is_nothing_to_another_client_or_issuer",
            "test_a_code_ends_after_a_minute",
        ),
    ),
    "85": (
        "The audience is the resource that was asked for.",
        (
            "test_a_person_logs_in_consents_and_the_client_gets_tokens_for_one_route",
            "test_two_resources_are_refused_even_where_both_are_right",
        ),
    ),
    "86": (
        "Without a resource only the origin's one route can be meant.",
        (
            "test_without_a_resource_the_only_route_is_meant",
            "test_without_a_resource_an_origin_with_several_routes_refuses",
        ),
    ),
    "87": (
        "Answers name the issuer, and metadata says that they do.",
        (
            "test_both_issuer_documents_name_the_issuer_they_stand_at",
            "test_a_person_logs_in_consents_and_the_client_gets_tokens_for_one_route",
        ),
    ),
    "88": (
        "Refresh tokens rotate; a late one ends its family.",
        (
            "test_for_thirty_seconds_the_old_token_returns_the_same_successor",
            "test_after_the_grace_the_old_token_kills_the_family",
        ),
    ),
    "89": (
        "A refresh widens nothing.",
        ("test_a_refresh_widens_neither_scope_nor_resource",),
    ),
    "90": (
        "Token answers are JSON, never stored; errors are OAuth's.",
        (
            "test_a_person_logs_in_consents_and_the_client_gets_tokens_for_one_route",
            "test_errors_are_oauth_errors_with_their_address",
        ),
    ),
    "91": (
        "A client proves itself as it registered.",
        ("test_a_confidential_client_proves_itself_as_it_registered",),
    ),
    "92": (
        "Clients register, within limits.",
        (
            "test_a_registration_is_echoed_without_nulls",
            "test_one_source_registers_thirty_times_a_minute_and_evicts_nobody",
            "test_a_registration_nobody_consents_to_ends_after_a_day_and_a_used_one_later",
        ),
    ),
    "93": (
        "application_type may be missing.",
        ("test_a_registration_is_echoed_without_nulls",),
    ),
    "104": (
        "The consent page shows the host that gets the answer and warns of loopback.",
        (
            "test_the_host_that_gets_the_answer_is_shown_to_its_very_end",
            "test_a_loopback_client_always_gets_one_click_and_a_warning",
        ),
    ),
    "105": (
        "Ids of registered clients are no addresses.",
        ("test_a_registration_is_echoed_without_nulls",),
    ),
    "107": (
        "Consent per client comes before the third party.",
        (
            "test_the_upstream_account_is_connected_after_consent_and_before_the_code",
            "test_opening_the_later_steps_directly_skips_no_consent",
        ),
    ),
}
_CLIENT: Final[dict[str, tuple[str, tuple[str, ...]]]] = {
    "111": (
        "The places of metadata are tried in order; another issuer's document is refused.",
        (
            "test_rule_111_the_places_of_metadata_are_tried_in_order",
            "test_metadata_that_does_not_hold_is_refused",
        ),
    ),
    "112": (
        "A provider without S256 is not used.",
        (
            "test_metadata_that_does_not_hold_is_refused",
            "test_an_openid_provider_may_leave_the_pkce_member_out_but_not_lack_s256",
        ),
    ),
    "113": (
        "`resource` stands in authorization and token requests.",
        (
            "test_departure_carries_pkce_s256_state_nonce_resource_and_the_endpoints_own_query",
            "test_a_code_is_exchanged_with_verifier_resource_and_basic_credentials",
        ),
    ),
    "116": (
        "The issuer in an answer is the one that was asked.",
        (
            "test_rule_116_the_four_rows_of_rfc_9207_without_normalisation",
            "test_an_answer_of_another_issuer_is_not_even_shown",
        ),
    ),
    "117": (
        "State is sent, checked and used once.",
        (
            "test_state_and_hand_off_work_once",
            "test_a_callback_without_a_login_under_way_is_refused",
        ),
    ),
    "118": (
        "What one issuer gave is never sent to another.",
        ("test_the_stored_secret_of_one_authorization_server_is_not_sent_to_another",),
    ),
    "121": (
        "We authenticate at a token endpoint in the way it takes.",
        (
            "test_a_code_is_exchanged_with_verifier_resource_and_basic_credentials",
            "test_credentials_go_into_the_form_where_the_server_wants_them_there",
        ),
    ),
    "122": (
        "A refresh token is never assumed.",
        ("test_a_token_without_refresh_and_end_is_used_for_ever",),
    ),
    "123": (
        "Tokens are kept sealed, each for one person.",
        (
            "test_one_persons_account_is_never_used_for_another",
            "test_nothing_that_a_service_or_a_bundle_gave_shows_in_store_log_or_refusals",
        ),
    ),
    "124": (
        "Neither side's token crosses.",
        ("test_the_clients_token_appears_nowhere_upstream_and_upstreams_nowhere_here",),
    ),
    "125": (
        "OAuth goes over https, to addresses that may be named, without redirects.",
        (
            "test_oauth_never_travels_in_clear_but_to_loopback_in_development",
            "test_some_addresses_are_nobodys_to_name",
            "test_a_name_that_resolves_to_loopback_the_second_time_is_refused",
            "test_redirects_are_answers_and_cookies_are_forgotten",
        ),
    ),
    "126": (
        "Only web addresses are handed to a browser.",
        ("test_rule_126_only_web_addresses_are_handed_to_a_browser",),
    ),
    "127": (
        "A connect link opens for the person of the call only.",
        (
            "test_the_link_in_a_calls_error_opens_for_the_person_of_the_call_only",
            "test_a_connect_link_opened_by_another_person_is_refused",
            "test_a_modern_client_is_asked_to_show_the_link",
            "test_the_call_goes_through_once_the_account_is_there",
            "test_a_client_of_2025_11_25_gets_the_error_that_shows_the_link",
            "test_a_session_that_listens_is_told_once_when_the_account_is_there",
        ),
    ),
    "128": (
        "The link holds no secret and no personal data.",
        ("test_the_link_carries_no_personal_data_and_no_secret",),
    ),
    "129": (
        "A login holds only with state, nonce, PKCE, issuer, audience, end and signature.",
        (
            "test_an_id_token_that_does_not_hold_logs_nobody_in",
            "test_an_id_token_with_another_signature_logs_nobody_in",
            "test_a_planted_login_cookie_becomes_nobodys_and_the_id_is_new_after_login",
        ),
    ),
}
_PRACTICES: Final[dict[str, tuple[str, tuple[str, ...]]]] = {
    "130": (
        "Consent is kept per person and client.",
        (
            "test_another_person_in_the_same_browser_is_asked_again",
            "test_remembered_consent_covers_exactly_what_was_shown",
        ),
    ),
    "131": (
        "The consent page names everything, can't be framed and takes only its own form.",
        (
            "test_consent_names_everything_that_matters",
            "test_a_form_without_or_with_anothers_proof_decides_nothing",
            "test_the_style_is_the_one_that_the_policy_names_and_nothing_else_may_load",
        ),
    ),
    "132": (
        "Cookies belong to one host and one transaction.",
        (
            "test_a_transaction_of_another_browser_is_nobodys",
            "test_a_cookie_that_stands_twice_is_no_cookie",
        ),
    ),
    "133": (
        "A changed redirect URI is another one.",
        (
            "test_a_redirect_uri_is_compared_exactly_but_for_loopback_ports",
            "test_remembered_consent_covers_exactly_what_was_shown",
        ),
    ),
    "134": (
        "State for a third party is made after consent, bound to the browser, used once.",
        (
            "test_opening_the_later_steps_directly_skips_no_consent",
            "test_a_callback_in_another_browser_connects_nothing",
            "test_a_flight_lands_once",
            "test_a_flight_ends_after_ten_minutes",
        ),
    ),
    "135": (
        "Tokens for others are refused.",
        ("test_a_token_is_refused_on_every_other_route_known_or_not",),
    ),
    "136": (
        "What upstream names is fetched through the guard.",
        ("test_a_gateway_may_let_routes_but_never_strangers_name_a_private_network",),
    ),
    "138": (
        "A session of one person is nothing to another.",
        ("test_another_persons_session_looks_unknown",),
    ),
    "139": (
        "A state handle of one person is nothing to another.",
        (
            "test_a_handle_of_another_is_no_handle",
            "test_a_state_that_this_very_call_did_not_give_this_person_is_refused",
        ),
    ),
    "141": (
        "Authorization addresses are web addresses.",
        ("test_rule_126_only_web_addresses_are_handed_to_a_browser",),
    ),
    "143": (
        "An answer of another issuer is refused.",
        ("test_rule_116_the_four_rows_of_rfc_9207_without_normalisation",),
    ),
    "144": (
        "A receiver that any program can pose as is asked about each time.",
        ("test_a_receiver_that_any_program_can_pose_as_is_asked_every_time",),
    ),
    "146": (
        "One small scope, and each decision on its own record.",
        (
            "test_the_challenge_names_an_error_only_where_a_token_was_sent",
            "test_a_denied_call_is_http_200_with_a_decision_id_and_never_forwarded",
        ),
    ),
    "147": (
        "requestState is sealed for its person and its call.",
        ("test_a_state_that_this_very_call_did_not_give_this_person_is_refused",),
    ),
    "148": (
        "Every message about a task is judged; another's looks like an unknown one.",
        (
            "test_another_persons_task_looks_like_one_that_never_was",
            "test_a_poll_is_judged_with_the_arguments_of_its_call",
        ),
    ),
    "149": (
        "Elicitation needs an Allow that names its mode.",
        (
            "test_an_input_request_needs_an_allow_that_names_it",
            "test_a_server_request_needs_an_allow_that_names_it_else_upstream_is_told",
            "test_what_policy_forbids_a_server_to_ask_reaches_no_client",
            "test_nor_does_it_behind_one_url_with_a_server_of_the_other_era",
        ),
    ),
    "150": (
        "No credential is ever written to a log.",
        (
            "test_nothing_secret_is_in_the_audit_log_or_stored_in_clear",
            "test_a_secret_of_ours_can_not_be_written_at_all",
        ),
    ),
}
HELD: Final = {**_RESOURCE_SERVER, **_AUTHORIZATION_SERVER, **_CLIENT, **_PRACTICES}

_CIMD: Final = "client metadata documents are not served yet, and metadata says so"
GAPS: Final[dict[str, str]] = {
    "65": "there is one scope, which every token has: no call is cured by another one yet",
    "66": "there is one scope, which every token has: no call is cured by another one yet",
    **dict.fromkeys(("94", "95", "96", "97", "98"), _CIMD),
    **dict.fromkeys(("99", "100", "101", "102", "103", "106"), _CIMD),
    "108": "agents without a person have no identity of their own yet",
    "109": "a route names the authorization server of its upstream, which is not discovered",
    "110": "a route names the authorization server of its upstream, which is not discovered",
    "114": "a route names the scopes that it asks for upstream",
    "115": "a route names the scopes that it asks for upstream",
    "119": "we are registered at upstream by hand: clientId on the route",
    "120": "we are registered at upstream by hand: clientId on the route",
    "137": _CIMD,
    "140": "the proxy spawns nothing",
    "142": "the proxy spawns nothing",
    "145": _CIMD,
}
