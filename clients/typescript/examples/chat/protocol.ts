// The protocol `chat`, version 1: what schema/chat.json says, as types.

export interface Room {
  name: string;
  members: number;
}

export interface Message {
  number: number;
  by: string;
  text: string;
  at: number;
}

export interface Chat {
  requests: {
    list_rooms: { payload: {}; reply: { rooms: Room[] }; error: never };
    join: {
      payload: { room: string };
      reply: { members: string[]; epoch: string; off: number };
      error: "bad_name" | "full" | "too_many_rooms";
    };
    leave: { payload: { room: string }; reply: null; error: never };
    post: {
      payload: { room: string; text: string };
      reply: { number: number };
      error: "not_a_member" | "too_long" | "empty";
    };
    history: {
      payload: { room: string; limit: number };
      item: Message;
      reply: { older: number };
      error: "not_a_member";
    };
  };
  channels: {
    room: {
      params: { name: string };
      events: { said: Message; entered: { who: string }; left: { who: string } };
    };
    typing: { params: { room: string }; events: { keys: { who: string } } };
    lobby: {
      params: {};
      events: {
        room_opened: { room: string };
        room_closed: { room: string };
        members: { room: string; count: number };
      };
    };
  };
}

/** What a client must know of the protocol while it runs. */
export const chat = {
  protocol: "chat",
  versions: [1, 1],
  requests: {
    list_rooms: { idempotent: true },
    join: { idempotent: true },
    leave: { idempotent: true },
  },
} as const;
